//! SQL text taken apart: words, marks and parameters, and the queries a statement is made of.
//!
//! Not a parser: it knows literals, comments and parentheses, and where a query begins and ends. Enough to say which
//! tables a query names and under which conditions; what the rules are is in `statements` and `ddl`.

use std::borrow::Borrow;
use std::ops::Range;

/// A piece of SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A name, a keyword or a number, in lower case.
    Word(String),
    /// The text of a string literal.
    Text(String),
    /// `$3`, as its number.
    Parameter(usize),
    /// A run of other marks: `=`, `(`, `->>`.
    Mark(String),
}

impl Token {
    /// Whether it is this word.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(it) if it == word)
    }

    /// Whether it is this mark.
    #[must_use]
    pub fn is_mark(&self, mark: &str) -> bool {
        matches!(self, Self::Mark(it) if it == mark)
    }

    /// The word it is.
    #[must_use]
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Whether these words stand one after the other somewhere.
#[must_use]
pub fn in_a_row<T: Borrow<Token>>(tokens: &[T], words: &[&str]) -> bool {
    tokens.windows(words.len()).any(|run| run.iter().zip(words).all(|(token, word)| token.borrow().is(word)))
}

/// Marks that stand alone whatever is next to them.
const SINGLE: &str = "(),;.[]";

/// Takes a text apart. Comments are left out.
#[must_use]
pub fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let taken = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '\'' {
            let text = literal(rest);
            tokens.push(Token::Text(text.to_owned()));
            (text.len() + 2).min(rest.len())
        } else if first == '$' && rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit()) {
            let digits: String = rest.chars().skip(1).take_while(char::is_ascii_digit).collect();
            tokens.push(Token::Parameter(digits.parse().unwrap_or(0)));
            digits.len() + 1
        } else if is_word(first) || first == '"' {
            let word: String = rest.chars().take_while(|c| is_word(*c) || *c == '"').collect();
            tokens.push(Token::Word(word.trim_matches('"').to_lowercase()));
            word.len()
        } else {
            let mark: String = if SINGLE.contains(first) {
                first.to_string()
            } else {
                rest.chars().take_while(|c| is_mark(*c)).collect()
            };
            let length = mark.len().max(first.len_utf8());
            tokens.push(Token::Mark(mark));
            length
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_mark(c: char) -> bool {
    !is_word(c) && !c.is_whitespace() && !SINGLE.contains(c) && !"'\"$".contains(c)
}

/// What stands between the quotes a text begins with; a doubled quote is one of its characters.
fn literal(rest: &str) -> &str {
    let mut from = 1;
    while let Some(quote) = rest.get(from..).and_then(|rest| rest.find('\'')) {
        let end = from + quote;
        if !rest.get(end + 1..).is_some_and(|rest| rest.starts_with('\'')) {
            return rest.get(1..end).unwrap_or_default();
        }
        from = end + 2;
    }
    rest.get(1..).unwrap_or_default()
}

/// A query or a command, without the queries inside it: `SELECT … FROM a WHERE x = ( )`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Its tokens, and how many parentheses each is in, counted from the query's own. What is in the parentheses of a
    /// query inside is not here.
    pub tokens: Vec<(Token, usize)>,
}

const BEGINS: [&str; 5] = ["select", "insert", "update", "delete", "values"];

/// The queries of a statement: the statement itself, and each that stands in parentheses of its own.
#[must_use]
pub fn queries(tokens: &[Token]) -> Vec<Query> {
    let mut done = Vec::new();
    let mut open: Vec<(Query, usize)> = vec![(Query::default(), 0)];
    let mut depth = 0_usize;
    let mut begins: Vec<bool> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.is_mark("(") {
            let query = tokens
                .get(index + 1)
                .and_then(Token::word)
                .is_some_and(|word| BEGINS.contains(&word) && word != "values" || word == "with");
            push(&mut open, token, depth);
            depth += 1;
            begins.push(query);
            if query {
                open.push((Query::default(), depth));
            }
        } else if token.is_mark(")") {
            depth = depth.saturating_sub(1);
            if begins.pop() == Some(true)
                && let Some((query, _)) = open.pop()
            {
                done.push(query);
            }
            push(&mut open, token, depth);
        } else if (token.is("union") || token.is("intersect") || token.is("except")) && open.len() > 1 {
            // The next part is a query of its own.
            if let Some((query, from)) = open.pop() {
                done.push(query);
                open.push((Query::default(), from));
            }
        } else {
            push(&mut open, token, depth);
        }
    }
    done.extend(open.into_iter().map(|(query, _)| query).rev());
    done.reverse();
    done
}

fn push(open: &mut [(Query, usize)], token: &Token, depth: usize) {
    if let Some((query, from)) = open.last_mut() {
        query.tokens.push((token.clone(), depth.saturating_sub(*from)));
    }
}

impl Query {
    /// The tokens that are in no parentheses of it.
    pub fn own(&self) -> impl Iterator<Item = &Token> {
        self.tokens.iter().filter(|(_, depth)| *depth == 0).map(|(token, _)| token)
    }

    /// The places of the parts between commas of the first parentheses that open at or after a place.
    #[must_use]
    pub fn listed(&self, from: usize) -> Vec<Range<usize>> {
        let Some(open) = (from..self.tokens.len()).find(|at| self.is_mark(*at, "(")) else { return Vec::new() };
        let inside = self.tokens.get(open).map_or(1, |(_, depth)| depth + 1);
        let mut parts = Vec::new();
        let mut start = open + 1;
        for at in open + 1..self.tokens.len() {
            let depth = self.tokens.get(at).map_or(0, |(_, depth)| *depth);
            if depth < inside {
                parts.push(start..at);
                break;
            }
            if depth == inside && self.is_mark(at, ",") {
                parts.push(start..at);
                start = at + 1;
            }
        }
        parts
    }

    fn is_mark(&self, at: usize, mark: &str) -> bool {
        self.tokens.get(at).is_some_and(|(token, _)| token.is_mark(mark))
    }
}

#[cfg(test)]
mod tests {
    use super::{Token, queries, tokens};

    fn shown(tokens: &[Token]) -> String {
        let shown = tokens.iter().map(|token| match token {
            Token::Word(text) | Token::Mark(text) => text.clone(),
            Token::Text(text) => format!("'{text}'"),
            Token::Parameter(number) => format!("${number}"),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_statement_is_taken_apart() {
        assert_eq!(
            shown(&tokens("SELECT a.B, 'x''y (' /* no */ FROM t -- no\n WHERE c->>'d'=$12::text;")),
            "select a . b , 'x''y (' from t where c ->> 'd' = $12 :: text ;"
        );
    }

    #[test]
    fn queries_inside_are_queries_of_their_own() {
        let all = queries(&tokens("SELECT (SELECT 1 FROM a) FROM b WHERE (c OR d IN (SELECT e UNION SELECT f))"));
        let texts: Vec<String> = all
            .iter()
            .map(|query| shown(&query.tokens.iter().map(|(token, _)| token.clone()).collect::<Vec<_>>()))
            .collect();
        assert_eq!(texts, ["select ( ) from b where ( c or d in ( ) )", "select f", "select e", "select 1 from a"]);
        assert_eq!(all[0].own().filter(|token| token.is("or")).count(), 0);
    }
}
