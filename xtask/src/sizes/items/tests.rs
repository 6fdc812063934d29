use super::*;
use crate::source::tokens;

fn only(text: &str) -> (usize, usize) {
    let list = tokens(text);
    let found = functions(&list);
    assert_eq!(found.len(), 1, "{found:?}");
    (found[0].parameter_count, found[0].bool_count)
}

#[test]
fn parameters_are_counted_without_self() {
    assert_eq!(only("fn f() {}"), (0, 0));
    assert_eq!(only("fn f(&'a mut self, a: u8,) {}"), (1, 0));
    assert_eq!(only("fn f(self: Box<Self>, a: u8, b: u8) {}"), (2, 0));
    assert_eq!(only("fn f(mut self) {}"), (0, 0));
}

#[test]
fn commas_in_types_and_patterns_separate_nothing() {
    assert_eq!(only("fn f(a: HashMap<u8, (u8, u8)>, (b, c): (u8, u8)) {}"), (2, 0));
    assert_eq!(only("fn f(a: impl Fn(u8, u8) -> Vec<u8>, b: [u8; 4]) {}"), (2, 0));
    assert_eq!(
        only("fn f<F: Fn(u8, u8) -> u8, const N: usize>(a: F) -> [u8; N] where F: X<Y> {}"),
        (1, 0)
    );
    assert_eq!(only("fn f<const N: usize = { 1 > 0 }>(a: u8) {}"), (1, 0));
    assert_eq!(only("fn f(#[cfg(a, b)] a: u8) {}"), (1, 0));
    assert_eq!(only("fn f(a: impl Map<u8, Item: Clone>) {}"), (1, 0));
}

#[test]
fn bool_parameters_are_found_and_other_uses_of_bool_are_not() {
    assert_eq!(only("fn f(a: bool, b: &mut bool, c: &'a bool) {}"), (3, 3));
    assert_eq!(
        only("fn f(a: Vec<bool>, g: fn(bool) -> bool, h: impl Fn(bool)) -> bool {}"),
        (3, 0)
    );
    assert_eq!(only("fn f(Point { x: y }: Point, a: u8) { let b: bool = true; }"), (2, 0));
}

#[test]
fn the_inputs_of_property_tests_are_no_parameters() {
    assert_eq!(
        only("fn f(a in 0..9u8, (b, c) in (any::<u8>(), any::<bool>()), d: bool) {}"),
        (1, 1)
    );
}

#[test]
fn pointers_and_strings_and_comments_are_no_functions() {
    let text = "type A = fn(u8); // fn a(b: bool) {}\nconst B: &str = \"fn c(d: bool) {}\";";
    assert!(functions(&tokens(text)).is_empty());
}

#[test]
fn bodies_are_measured_from_fn_to_brace() {
    let text = "fn a(\n  b: u8,\n) -> [u8; 2]\nwhere\n  X: Y,\n{\n  '}'; \"}\"; // }\n  fn inner() {}\n}\nfn no_body(a: [u8; 3]) -> u8;";
    let list = tokens(text);
    let lines: Vec<(&str, usize, Option<usize>)> =
        functions(&list).iter().map(|f| (f.name, f.line, f.body_lines)).collect();
    assert_eq!(lines, [("a", 1, Some(9)), ("inner", 8, Some(1)), ("no_body", 10, None)]);
}

#[test]
fn test_blocks_are_found_with_their_attributes() {
    let found = |text: &str| {
        let list = tokens(text);
        test_blocks(&list)
            .into_iter()
            .map(|block| (list[block.start].line, list[block.end - 1].line))
            .collect::<Vec<_>>()
    };
    assert_eq!(found("fn a() {}\n#[cfg(test)]\nmod tests {\n  mod deeper { }\n}\n"), [(2, 5)]);
    assert_eq!(found("#[cfg(test)]\n#[allow(x)]\npub(crate) mod t {}"), [(1, 3)]);
    assert_eq!(found("#[cfg(all(test, unix))] mod t {}"), [(1, 1)]);
    assert!(found("#[cfg(not(test))] mod t {}").is_empty());
    assert!(found("#[cfg(any(test, unix))] mod t {}").is_empty());
    assert!(found("#[cfg(all(not(test), unix))] mod t {}").is_empty());
    assert!(found("#[cfg(feature = \"test\")] mod t {}").is_empty());
    assert!(found("#[cfg(test)] mod t;").is_empty());
    assert!(found("// #[cfg(test)] mod t {}").is_empty());
}

#[test]
fn modules_in_files_of_their_own_are_named() {
    let list = tokens("#[cfg(test)] mod a; mod b; #[cfg(test)]\nmod c {}");
    assert_eq!(test_module_files(&list), ["a"]);
}

#[test]
fn types_with_any_pub_are_listed() {
    let text = "pub struct A; pub(crate) enum B {} pub(in crate::x) type C = u8; struct D;\n\
                pub unsafe trait E {} impl X for Y { type F = u8; } pub fn g() {}";
    let list = tokens(text);
    let names: Vec<&str> = public_types(&list).iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["A", "B", "C", "E"]);
}
