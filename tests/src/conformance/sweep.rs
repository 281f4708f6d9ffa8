//! Requests made at random, hostile ones included: a host answers them as the rules do as a library, to the byte where
//! it answers lines.

use super::Host;
use crate::hostile;
use crate::vectors::flat;
use crate::vectors::lanes::Form;
use crate::vectors::typed::Call;
use crate::vectors::without_messages;
use identity_component::batch;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How many requests go to a host at once.
const CHUNK: u64 = 5_000;
/// How many differences are kept to be shown.
const SHOWN: usize = 20;

/// How a host got on in one form.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sweep {
    /// How many requests it was given.
    pub requests: u64,
    /// How many of them the library refuses.
    pub refused: u64,
    /// How many it answered otherwise than the library.
    pub different: u64,
    /// The first of those.
    pub shown: Vec<String>,
}

impl Sweep {
    fn differs(&mut self, what: impl FnOnce() -> String) {
        self.different += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(what().chars().take(1_000).collect());
        }
    }
}

/// Requests and what the library answers, always the same for a seed.
#[derive(Debug)]
pub struct Requests {
    runner: TestRunner,
}

impl Requests {
    /// Those of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(seed.to_le_bytes()).for_each(|(byte, of)| *byte = of);
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self { runner: TestRunner::new_with_rng(Config::default(), rng) }
    }

    fn next<S: Strategy>(&mut self, strategy: &S) -> S::Value {
        // No strategy here refuses what it made.
        strategy.new_tree(&mut self.runner).unwrap_or_else(|why| unreachable!("{why}")).current()
    }
}

/// Gives a host so many requests in one form; `None` for what the others are compared with.
#[must_use]
pub fn sweep(host: &Host, form: Form, seed: u64, requests: u64) -> Option<Sweep> {
    let mut source = Requests::of(seed);
    let mut swept = Sweep::default();
    while swept.requests < requests {
        let count = CHUNK.min(requests - swept.requests);
        let asked = asked(&mut source, form, count);
        let input = asked.iter().flat_map(|asked| asked.input.iter().copied()).collect::<Vec<u8>>();
        swept.requests += count;
        swept.refused += asked.iter().filter(|asked| asked.reply.get("ok").is_none()).count() as u64;
        match host.ask(form, &input)? {
            Ok(answer) => compare(&asked, form, &answer, &mut swept),
            Err(error) => asked.iter().for_each(|_| swept.differs(|| error.clone())),
        }
    }
    Some(swept)
}

/// One request, and the right reply: as bytes for lines, and as what it says.
struct Asked {
    input: Vec<u8>,
    line: String,
    reply: Value,
}

fn asked(source: &mut Requests, form: Form, count: u64) -> Vec<Asked> {
    let (requests, lines) = (hostile::request(), hostile::line());
    let subjects = proptest::prop_oneof![1 => hostile::sound_subject(), 1 => hostile::any_subject()];
    let mut made = Vec::new();
    while (made.len() as u64) < count {
        made.push(match form {
            Form::Flat => {
                let subject = source.next(&subjects);
                let mut input = Vec::new();
                flat::pack(&subject, &mut input);
                Asked { input, line: String::new(), reply: Call::Derive(subject).native() }
            }
            Form::Many => of_line(json!({ "op": "derive", "input": source.next(&subjects) }).to_string().into_bytes()),
            // Every fifth line is anything at all; not the first, which alone may start with a byte-order mark.
            Form::Lines if made.len() % 5 == 4 => {
                let line = source.next(&lines);
                if std::str::from_utf8(&line).is_err() {
                    continue;
                }
                of_line(line)
            }
            Form::Lines | Form::Calls => of_line(source.next(&requests).to_string().into_bytes()),
        });
    }
    made
}

fn of_line(mut input: Vec<u8>) -> Asked {
    let line = batch::answer_line(&input).unwrap_or_default();
    input.push(b'\n');
    let reply = serde_json::from_str(&line).unwrap_or(Value::Null);
    Asked { input, line, reply }
}

fn compare(asked: &[Asked], form: Form, answer: &[u8], swept: &mut Sweep) {
    if form == Form::Flat {
        return compare_flat(asked, answer, swept);
    }
    let answer = String::from_utf8_lossy(answer);
    let mut replies = answer.split_inclusive('\n');
    // A blank line has no reply.
    for asked in asked.iter().filter(|asked| !asked.line.is_empty()) {
        let reply = replies.next().unwrap_or_default();
        let same = match form {
            Form::Lines => reply == asked.line,
            _ => serde_json::from_str(reply).is_ok_and(|reply: Value| said(&reply, form) == said(&asked.reply, form)),
        };
        if !same {
            swept.differs(|| shown(asked, reply));
        }
    }
    for surplus in replies {
        swept.differs(|| format!("a reply to nothing: {surplus}"));
    }
}

fn compare_flat(asked: &[Asked], answer: &[u8], swept: &mut Sweep) {
    let answers = match flat::read(answer) {
        Ok(answers) if answers.len() == asked.len() => answers,
        Ok(answers) => return swept.differs(|| format!("{} answers to {} records", answers.len(), asked.len())),
        Err(error) => return swept.differs(|| error),
    };
    for (asked, answer) in asked.iter().zip(answers) {
        let reply = match answer {
            Ok(key) => json!({ "ok": { "key": key } }),
            Err((code, field)) => json!({ "error": { "code": code.as_str(), "field": field } }),
        };
        if said(&reply, Form::Flat) != said(&asked.reply, Form::Flat) {
            swept.differs(|| shown(asked, &reply.to_string()));
        }
    }
}

/// What a reply says as far as the form can say it. The words of a refusal are a package's own where its calls take a form
/// that has none, and lists have no digests either.
fn said(reply: &Value, form: Form) -> Value {
    if matches!(form, Form::Lines | Form::Calls) {
        return without_messages(reply);
    }
    let part = |at: &str| reply.pointer(at).cloned().unwrap_or_default();
    json!([part("/ok/key"), part("/error/code"), part("/error/field")])
}

fn shown(asked: &Asked, reply: &str) -> String {
    let mut shown = format!("asked {}", String::from_utf8_lossy(&asked.input).trim_end());
    let _ = write!(shown, "; expected {}; got {}", asked.reply, reply.trim_end());
    shown
}
