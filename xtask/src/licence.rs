//! Decides whether a crate's licence expression (SPDX) can be met with the licences we allow.

use std::collections::BTreeSet;

/// Whether `expression` is satisfied by `allowed` alone; the allowed licences it names go into `met`.
///
/// Understands `AND`, `OR`, `WITH`, parentheses, and the old `/` for `OR`. A licence with an exception counts
/// as a licence of its own, so that `GPL-2.0 WITH …` never passes for something else.
pub fn is_met(
    expression: &str,
    allowed: &BTreeSet<String>,
    met: &mut BTreeSet<String>,
) -> Result<bool, String> {
    let mut parser = Parser { tokens: tokens(expression), allowed, met };
    let is_met = parser.any()?;
    match parser.tokens.pop() {
        None => Ok(is_met),
        Some(token) => Err(format!("unexpected {token:?} in licence {expression:?}")),
    }
}

/// The words of the expression, the first one last.
fn tokens(expression: &str) -> Vec<String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    spaced.split_whitespace().rev().map(str::to_owned).collect()
}

struct Parser<'a> {
    tokens: Vec<String>,
    allowed: &'a BTreeSet<String>,
    met: &'a mut BTreeSet<String>,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<bool, String> {
        let mut is_met = self.all()?;
        while self.take("OR") {
            is_met |= self.all()?;
        }
        Ok(is_met)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut is_met = self.one()?;
        while self.take("AND") {
            is_met &= self.one()?;
        }
        Ok(is_met)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take("(") {
            let is_met = self.any()?;
            return if self.take(")") { Ok(is_met) } else { Err("a parenthesis is not closed".to_owned()) };
        }
        let mut licence = self.word()?;
        if self.take("WITH") {
            licence = format!("{licence} WITH {}", self.word()?);
        }
        let is_allowed = self.allowed.contains(&licence);
        if is_allowed {
            self.met.insert(licence);
        }
        Ok(is_allowed)
    }

    fn word(&mut self) -> Result<String, String> {
        match self.tokens.pop() {
            Some(word) if !matches!(word.as_str(), "(" | ")" | "AND" | "OR" | "WITH") => Ok(word),
            Some(word) => Err(format!("{word:?} where a licence should be")),
            None => Err("the expression ends where a licence should be".to_owned()),
        }
    }

    fn take(&mut self, token: &str) -> bool {
        self.tokens.pop_if(|next| next == token).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(expression: &str) -> Result<bool, String> {
        let allowed = ["MIT", "Apache-2.0", "ISC"].map(str::to_owned).into();
        is_met(expression, &allowed, &mut BTreeSet::new())
    }

    #[test]
    fn expressions_are_met_by_what_is_allowed() {
        let table = [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("GPL-3.0-only/MIT", true),
            ("MIT AND GPL-3.0-only", false),
            ("Apache-2.0 AND ISC", true),
            ("(MIT OR GPL-3.0-only) AND ISC", true),
            ("MIT OR GPL-3.0-only AND Zlib", true),
            ("(MIT OR ISC) AND Zlib", false),
            ("Apache-2.0 WITH LLVM-exception", false),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ];
        for (expression, expected) in table {
            assert_eq!(verdict(expression), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn a_broken_expression_is_an_error_and_not_a_pass() {
        for expression in ["", "MIT OR", "(MIT", "MIT)", "AND MIT", "MIT ISC", "MIT WITH"] {
            assert!(verdict(expression).is_err(), "{expression:?} passed");
        }
    }

    #[test]
    fn the_licences_that_were_of_use_are_told() {
        let allowed = ["MIT", "ISC", "Zlib"].map(str::to_owned).into();
        let mut met = BTreeSet::new();
        assert_eq!(is_met("(MIT OR GPL-3.0-only) AND ISC", &allowed, &mut met), Ok(true));
        assert_eq!(met, ["ISC", "MIT"].map(str::to_owned).into());
    }
}
