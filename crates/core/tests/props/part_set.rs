//! `PartSet` against a `BTreeSet`.

use std::collections::BTreeSet;

use ossget_core::PartSet;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(u32),
    Remove(u32),
    InsertRun(u32, u32),
    RemoveRun(u32, u32),
}

fn steps(count: u32) -> impl Strategy<Value = Vec<Step>> {
    // A little beyond the count too.
    let part = 0..count + 70;
    let step = prop_oneof![
        part.clone().prop_map(Step::Insert),
        part.clone().prop_map(Step::Remove),
        (part.clone(), 0_u32..200).prop_map(|(from, n)| Step::InsertRun(from, n)),
        (part, 0_u32..50).prop_map(|(from, n)| Step::RemoveRun(from, n)),
    ];
    vec(step, 0..40)
}

fn insert(set: &mut PartSet, model: &mut BTreeSet<u32>, part: u32) -> (bool, bool) {
    (set.insert(part), part < set.count() && model.insert(part))
}

proptest! {
    #[test]
    fn a_part_set_is_a_set(
        (count, steps) in (0_u32..400).prop_flat_map(|count| (Just(count), steps(count))),
        starts_full in any::<bool>(),
        max in 0_u32..500,
    ) {
        let (mut set, mut model) = if starts_full {
            (PartSet::full(count), (0..count).collect())
        } else {
            (PartSet::new(count), BTreeSet::new())
        };
        for step in steps {
            match step {
                Step::Insert(part) => {
                    let (got, expected) = insert(&mut set, &mut model, part);
                    prop_assert_eq!(got, expected);
                }
                Step::Remove(part) => prop_assert_eq!(set.remove(part), model.remove(&part)),
                Step::InsertRun(from, n) => {
                    for part in from..from + n {
                        insert(&mut set, &mut model, part);
                    }
                }
                Step::RemoveRun(from, n) => {
                    for part in from..from + n {
                        prop_assert_eq!(set.remove(part), model.remove(&part));
                    }
                }
            }
        }
        prop_assert_eq!(set.count(), count);
        prop_assert_eq!(set.len() as usize, model.len());
        prop_assert_eq!(set.is_empty(), model.is_empty());
        prop_assert_eq!(set.is_full(), model.len() == count as usize);
        prop_assert!(set.iter().eq(model.iter().copied()));
        for from in (0..count + 70).chain([u32::MAX - 1, u32::MAX]) {
            prop_assert_eq!(set.contains(from), model.contains(&from));
            prop_assert_eq!(set.next_present(from), model.range(from..).next().copied());
            let missing = (from..count).find(|part| !model.contains(part));
            prop_assert_eq!(set.next_missing(from), missing);
            let run = (from..count).take_while(|part| model.contains(part)).count() as u32;
            prop_assert_eq!(set.run_of_present(from, max), run.min(max));
        }
    }
}
