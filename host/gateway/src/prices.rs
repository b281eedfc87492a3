//! What a call costs.
//!
//! Providers do not say it in their answers, so there is a table: patterns of models' names and prices. One ships with
//! agentd and grows old; what the operator writes goes before it. A model that nobody knows costs as much as the dearest
//! one that somebody knows: the ledger may say too much, not too little.

use crate::{Error, Usage};
use globset::{Glob, GlobMatcher};
use serde::Deserialize;
use std::collections::BTreeMap;

const SHIPPED: &str = include_str!("../../../config/prices.toml");

/// US dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub input: f64,
    pub output: f64,
    pub cache_read: f64,
    pub cache_write: f64,
}

/// Prices by model.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    own: Vec<Row<Price>>,
    shipped: Vec<Row<Price>>,
    /// For shipped prices only.
    long: Vec<Row<Long>>,
}

#[derive(Clone, Debug)]
struct Row<T> {
    glob: GlobMatcher,
    value: T,
}

/// What a long prompt costs more.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    /// More tokens than this are long.
    above: u64,
    /// Times the price of what is read.
    input: f64,
    /// Times the price of what is written.
    output: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    prices: BTreeMap<String, Price>,
    long: BTreeMap<String, Long>,
}

impl Prices {
    /// The table that ships with agentd.
    #[must_use]
    pub fn shipped() -> Prices {
        let file: File = toml::from_str(SHIPPED).expect("a test reads the table");
        let shipped = rows(file.prices).expect("a test reads the table");
        let long = rows(file.long).expect("a test reads the table");
        Prices { own: Vec::new(), shipped, long }
    }

    /// The same with rows of the operator's, which go before the shipped ones whatever the lengths of their patterns.
    ///
    /// # Errors
    /// [`Error::Price`] if a pattern cannot be read, or a price is no amount.
    pub fn with(overrides: impl IntoIterator<Item = (String, Price)>) -> Result<Prices, Error> {
        let overrides: Vec<(String, Price)> = overrides.into_iter().collect();
        for (pattern, price) in &overrides {
            let amounts = [price.input, price.output, price.cache_read, price.cache_write];
            if amounts.iter().any(|it| !it.is_finite() || *it < 0.0 || *it > 1_000_000.0) {
                let why = "a price is 0 or more US dollars for a million tokens".into();
                return Err(Error::Price { pattern: pattern.clone(), why });
            }
        }
        Ok(Prices { own: rows(overrides)?, ..Prices::shipped() })
    }

    /// Whether the model stands in the table.
    #[must_use]
    pub fn knows(&self, model: &str) -> bool {
        self.price(model).is_some()
    }

    /// Whether the operator set its price.
    pub(crate) fn is_own(&self, model: &str) -> bool {
        first(&self.own, model).is_some()
    }

    /// What `usage` of `model` costs, in millionths of a dollar, rounded up.
    #[must_use]
    pub fn cost(&self, model: &str, usage: &Usage) -> u64 {
        self.cost_with(model, usage, 0)
    }

    /// The same, where `long` of the tokens written to the cache stay there for an hour: they cost twice the input's
    /// price.
    pub(crate) fn cost_with(&self, model: &str, usage: &Usage, long: u64) -> u64 {
        let Some(mut price) = self.price(model).or_else(|| self.dearest()) else { return 0 };
        let read = usage.input.saturating_add(usage.cache_read).saturating_add(usage.cache_write);
        if let Some(times) = self.times(model).filter(|it| read > it.above) {
            for part in [&mut price.input, &mut price.cache_read, &mut price.cache_write] {
                *part *= times.input;
            }
            price.output *= times.output;
        }
        let long = long.min(usage.cache_write);
        let parts = [
            (usage.input, price.input),
            (usage.output, price.output),
            (usage.cache_read, price.cache_read),
            (usage.cache_write - long, price.cache_write),
            (long, price.cache_write.max(price.input * 2.0)),
        ];
        // Dollars for a million tokens are millionths of a dollar for one.
        let micros: f64 = parts.iter().map(|(tokens, price)| as_float(*tokens) * price).sum();
        // A float's own noise is no millionth more.
        as_count((micros - 1e-6).ceil())
    }

    fn price(&self, model: &str) -> Option<Price> {
        first(&self.own, model).or_else(|| first(&self.shipped, model))
    }

    fn times(&self, model: &str) -> Option<Long> {
        if first(&self.own, model).is_some() { None } else { first(&self.long, model) }
    }

    fn dearest(&self) -> Option<Price> {
        let all = self.own.iter().chain(&self.shipped).map(|row| row.value);
        all.max_by(|a, b| (a.input + a.output).total_cmp(&(b.input + b.output)))
    }
}

/// Longest pattern first: the first that matches counts.
fn rows<T>(entries: impl IntoIterator<Item = (String, T)>) -> Result<Vec<Row<T>>, Error> {
    let mut rows = Vec::new();
    for (pattern, value) in entries {
        match Glob::new(&pattern) {
            Ok(glob) => rows.push(Row { glob: glob.compile_matcher(), value }),
            Err(error) => return Err(Error::Price { pattern, why: error.kind().to_string() }),
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.glob.glob().glob().len()));
    Ok(rows)
}

fn first<T: Copy>(rows: &[Row<T>], model: &str) -> Option<T> {
    rows.iter().find(|row| row.glob.is_match(model)).map(|row| row.value)
}

#[expect(clippy::cast_precision_loss, reason = "no answer has 2^53 tokens")]
fn as_float(tokens: u64) -> f64 {
    tokens as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, and that is meant")]
fn as_count(micros: f64) -> u64 {
    micros as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(input: f64, output: f64) -> Price {
        Price { input, output, cache_read: input / 10.0, cache_write: input * 1.25 }
    }

    #[track_caller]
    fn check(prices: &Prices, model: &str, usage: [u64; 4], expected: u64) {
        let [input, output, cache_read, cache_write] = usage;
        assert_eq!(prices.cost(model, &Usage { input, output, cache_read, cache_write }), expected, "{model}");
    }

    #[test]
    fn the_longest_pattern_counts_and_the_operators_go_first() {
        let million = [1_000_000, 0, 0, 0];
        let own = rows([("claude-*".into(), price(3.0, 15.0)), ("claude-opus-*".into(), price(5.0, 25.0))]).unwrap();
        let prices = Prices { own, ..Prices::default() };
        check(&prices, "claude-opus-4-5", million, 5_000_000);
        check(&prices, "claude-sonnet-4-5", million, 3_000_000);
        check(&Prices::shipped(), "claude-opus-5-5", [100_000, 0, 0, 0], 400_000);
        let prices = Prices::with([("*".into(), price(1.0, 2.0)), ("gpt-5*".into(), price(2.0, 4.0))]).unwrap();
        check(&prices, "claude-opus-5-5", million, 1_000_000);
        check(&prices, "gpt-5.5", [0, 1_000_000, 0, 0], 4_000_000);
    }

    #[test]
    fn each_kind_of_token_has_its_price_and_the_sum_is_rounded_up() {
        let prices = Prices::with([("m".into(), price(3.0, 15.0))]).unwrap();
        check(&prices, "m", [100, 10, 1000, 200], 300 + 150 + 300 + 750);
        check(&prices, "m", [0, 0, 1, 0], 1);
        check(&prices, "m", [0, 0, 10, 0], 3);
        check(&prices, "m", [0, 0, 1000, 0], 300);
        check(&prices, "m", [0; 4], 0);
        let usage = Usage { cache_write: 200, ..Usage::default() };
        assert_eq!(prices.cost_with("m", &usage, 100), 375 + 600);
        check(&prices, "m", [u64::MAX; 4], u64::MAX);
    }

    #[test]
    fn a_long_prompt_costs_more_where_the_provider_says_so() {
        let prices = Prices::shipped();
        check(&prices, "gpt-5.5", [72_000, 100, 200_000, 0], 360_000 + 3_000 + 100_000);
        check(&prices, "gpt-5.5", [72_001, 100, 200_000, 0], 720_010 + 4_500 + 200_000);
        check(&prices, "claude-haiku-5-5", [200_000, 0, 0, 0], 100_000);
        let own = Prices::with([("gpt-5.5".into(), price(5.0, 30.0))]).unwrap();
        check(&own, "gpt-5.5", [300_000, 0, 0, 0], 1_500_000);
    }

    #[test]
    fn a_model_that_nobody_knows_costs_the_most() {
        let prices = Prices::shipped();
        check(&prices, "nobodys-model", [1_000_000, 1_000_000, 0, 0], 210_000_000);
        assert!(prices.knows("gpt-5.5") && !prices.knows("nobodys-model") && !prices.knows(""));
    }

    #[test]
    fn the_shipped_table_is_sound() {
        let prices = Prices::shipped();
        for known in [
            "claude-opus-4-5-20251101",
            "claude-opus-5",
            "claude-opus-5-5",
            "claude-sonnet-4-5",
            "claude-sonnet-5-5",
            "claude-haiku-4-5-20251001",
            "gpt-5.5",
            "gpt-5.1-codex",
            "gpt-6-sol",
        ] {
            assert!(prices.knows(known), "{known}");
        }
        for row in &prices.shipped {
            let Price { input, output, cache_read, cache_write } = row.value;
            assert!(input > 0.0 && output > input && cache_read <= input && cache_write >= input, "{row:?}");
        }
        for row in &prices.long {
            assert!(row.value.input >= 1.0 && row.value.output >= 1.0 && row.value.above > 0, "{row:?}");
        }
    }

    #[test]
    fn what_is_no_price_is_refused() {
        let check = |pattern: &str, price: Price, part: &str| {
            let error = Prices::with([(pattern.to_owned(), price)]).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check("a[", price(1.0, 1.0), "[prices.\"a[\"]: ");
        check("a", price(-1.0, 1.0), "0 or more US dollars");
        check("a", price(f64::NAN, 1.0), "0 or more US dollars");
    }
}
