//! What is in the tables, and what a query must find there.

use std::collections::BTreeMap;

/// One row of the table `sales`. `year` and `month` are its partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sale {
    pub(crate) year: i32,
    pub(crate) month: u32,
    pub(crate) shop: i64,
    pub(crate) cents: i64,
}

/// The rows of the table `shops`.
pub(crate) const SHOPS: [(i64, &str); 5] =
    [(0, "Hangzhou"), (1, "Hangzhou"), (2, "Shanghai"), (3, "Beijing"), (4, "Beijing")];

/// Two years of sales, a few hundred each month.
pub(crate) fn made_up() -> Vec<Sale> {
    let months = [2024, 2025].into_iter().flat_map(|year| (1..=12).map(move |month| (year, month)));
    let of_month = |(year, month): (i32, u32)| {
        let count = 200 + i64::from(month) * 10;
        (0..count).map(move |at| {
            let cents = (at * 7919 + i64::from(month) * 104_729 + i64::from(year)) % 10_007;
            Sale { year, month, shop: (at * at + i64::from(month)) % 5, cents }
        })
    };
    months.flat_map(of_month).collect()
}

/// The rows of the query, as text: sales over one yuan in the last quarter of 2025, by city.
pub(crate) fn expected(sales: &[Sale]) -> Vec<[String; 3]> {
    let mut cities: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for sale in sales.iter().filter(|it| it.year == 2025 && it.month >= 10 && it.cents > 100) {
        for (_, city) in SHOPS.iter().filter(|(shop, _)| *shop == sale.shop) {
            let (count, cents) = cities.entry(city).or_default();
            *count += 1;
            *cents += sale.cents;
        }
    }
    let row = |(city, (count, cents)): (&str, (i64, i64))| {
        [city.to_owned(), count.to_string(), cents.to_string()]
    };
    cities.into_iter().map(row).collect()
}
