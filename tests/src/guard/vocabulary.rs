//! Provider vocabulary: no word of a real provider stands outside its adapter and what is about it (P381-25, P381-26,
//! P339-41, S380-17).

use super::{Guard, Violation};

/// No word of a provider outside its adapter.
pub const PROVIDER_WORDS: Guard = provider_words;

/// How a word is looked for, upper and lower case alike.
#[derive(Clone, Copy)]
enum As {
    /// Anywhere: no other word contains it.
    Letters,
    /// As a word or a part of a name (`EntraId`, `entra_id`), not inside another word (`central`, `entrance`).
    Word,
    /// As the first part of a dotted name (`graph.x`), not at the end of a sentence.
    Dotted,
}

const WORDS: &[(&str, As)] = &[
    ("microsoft", As::Letters),
    ("msgraph", As::Letters),
    ("intune", As::Letters),
    ("azure", As::Letters),
    ("sharepoint", As::Letters),
    ("devicecompliance", As::Letters),
    ("deviceconfiguration", As::Letters),
    ("deviceenrollment", As::Letters),
    ("devicemanagement", As::Letters),
    ("conditionalaccess", As::Letters),
    ("groupassignmenttarget", As::Letters),
    ("entra", As::Word),
    ("odata", As::Word),
    ("graph", As::Dotted),
];

/// Where such words may stand, and why.
struct Allowed {
    /// A path, or with `*` at its end the beginning of one, or with `*` on both sides a part of one.
    paths: &'static [&'static str],
    /// Only these phrases; none means everything.
    phrases: &'static [&'static str],
    /// Why; printed by nothing, read by whoever wants to add a line.
    #[expect(dead_code, reason = "a list of exceptions without reasons only grows")]
    reason: &'static str,
}

const ALLOWED: &[Allowed] = &[
    Allowed { paths: &["adapters/microsoft/*"], phrases: &[], reason: "the adapter is where this knowledge lives" },
    Allowed {
        paths: &["host/src/provider/microsoft.rs"],
        phrases: &[],
        reason: "what is asked of this provider: its paths and permissions are its words",
    },
    Allowed {
        paths: &["host/src/provider.rs"],
        phrases: &["mod microsoft;", "&microsoft::Microsoft"],
        reason: "the list of providers names each once",
    },
    Allowed {
        paths: &["tests/tests/snapshots/*microsoft*"],
        phrases: &[],
        reason: "golden files of this provider's contracts, and named so",
    },
    Allowed {
        paths: &["README.md", "ARCHITECTURE.md", "CHANGELOG.md"],
        phrases: &[],
        reason: "a reader wants to know which providers are there",
    },
    Allowed {
        paths: &["tests/vectors/*microsoft*", "tests/tests/*microsoft*"],
        phrases: &[],
        reason: "tests about this adapter, and named so",
    },
    Allowed {
        paths: &["tests/src/stand_in/microsoft*"],
        phrases: &[],
        reason: "the face of this provider, and tenants of it",
    },
    Allowed {
        paths: &["tests/src/stand_in.rs", "tests/examples/stand_in.rs"],
        phrases: &["microsoft::", "mod microsoft;", "[`microsoft`]", "::{StandIn, fake, microsoft}"],
        reason: "the stand-in has this face among others",
    },
    Allowed {
        paths: &["embed/c/examples/keys.c", "embed/c/tests/*", "embed/c/README.md", "embed/python/README.md"],
        phrases: &[],
        reason: "a package shows and tests the adapters it carries",
    },
    Allowed {
        paths: &["host/examples/demo*", "tests/examples/demo_provider/*"],
        phrases: &[],
        reason: "the demos show this adapter, and this provider, on an invented tenant",
    },
    Allowed {
        paths: &["tests/src/guard/vocabulary.rs", "tests/tests/guards.rs"],
        phrases: &[],
        reason: "the list of the words, and the planted snippets that show it works",
    },
    Allowed {
        paths: &["Cargo.toml", "Cargo.lock", "tests/Cargo.toml", "identity/build.rs"],
        phrases: &["adapters/microsoft", "adapter-microsoft", "adapter_microsoft"],
        reason: "the build names the crate",
    },
    Allowed {
        paths: &["tests/tests/provider_registry.rs"],
        phrases: &["adapter_microsoft"],
        reason: "each collection of the adapter is looked for among the contracts",
    },
    Allowed {
        paths: &["tests/src/provider.rs"],
        phrases: &["stand_in::microsoft as foreign"],
        reason: "suites know the stand-in's other face by this name",
    },
    Allowed {
        paths: &["tests/examples/conformance.rs"],
        phrases: &["\"microsoft\", |", "adapter_microsoft"],
        reason: "conformance runs every adapter as a library, too",
    },
    Allowed {
        paths: &["identity/build.rs", "identity/src/*", "embed/python/src/provident_identity/file.py"],
        phrases: &["\"microsoft\"", "microsoft.cwasm", "microsoft.wasm"],
        reason: "the registry of embedded adapters names each once",
    },
    Allowed {
        paths: &["tests/REQUIREMENTS.md"],
        phrases: &["adapters/microsoft", "tests/tests/microsoft", "tests/vectors/microsoft"],
        reason: "rows name the files that hold a rule",
    },
];

fn provider_words(path: &str, text: &str) -> Vec<Violation> {
    let mut phrases: Vec<&str> = Vec::new();
    for allowed in ALLOWED.iter().filter(|allowed| allowed.covers(path)) {
        if allowed.phrases.is_empty() {
            return Vec::new();
        }
        phrases.extend(allowed.phrases);
    }
    let whole = std::iter::once((0, path));
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    whole
        .chain(lines)
        .filter_map(|(number, line)| {
            let judged = phrases.iter().fold(line.to_owned(), |line, phrase| line.replace(phrase, ""));
            let (word, _) = WORDS.iter().find(|(word, kind)| holds(&judged, word, *kind))?;
            let rule = format!("`{word}` is a provider's word: it belongs in that provider's adapter");
            Some(Violation::new(path, number, rule, line))
        })
        .collect()
}

impl Allowed {
    fn covers(&self, path: &str) -> bool {
        self.paths.iter().any(|pattern| matches(path, pattern))
    }
}

/// `*` stands for any number of characters.
fn matches(path: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else {
        return false;
    };
    let mut to_the_end = !pattern.contains('*');
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
        to_the_end = !part.is_empty();
    }
    !to_the_end || rest.is_empty()
}

fn holds(line: &str, word: &str, kind: As) -> bool {
    let lower = line.to_ascii_lowercase();
    lower.match_indices(word).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let first = line.get(start..).and_then(|text| text.chars().next());
        let after = line.get(start + word.len()..).unwrap_or_default();
        let hump = first.is_some_and(char::is_uppercase) && before.is_some_and(char::is_lowercase);
        let begins = hump || !before.is_some_and(char::is_alphanumeric);
        match kind {
            As::Letters => true,
            As::Word => begins && !after.starts_with(char::is_lowercase),
            As::Dotted => begins && after.strip_prefix('.').is_some_and(|after| after.starts_with(char::is_alphabetic)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{As, holds, matches};

    #[test]
    fn patterns_match_whole_paths() {
        assert!(matches("README.md", "README.md"));
        assert!(!matches("docs/README.md", "README.md"));
        assert!(!matches("README.md.bak", "README.md"));
        assert!(matches("tests/tests/acme_x.rs", "tests/tests/*acme*"));
        assert!(!matches("tests/tests/other.rs", "tests/tests/*acme*"));
        assert!(matches("host/examples/demo/a.json", "host/examples/demo*"));
        assert!(matches("a/b.rs", "a/*.rs"));
        assert!(!matches("a/b.rs.txt", "a/*.rs"));
    }

    #[test]
    fn words_inside_words_are_left_alone() {
        for innocent in ["central", "entrance", "concentration", "geodata", "Metadata", "nodata"] {
            assert!(!holds(innocent, "entra", As::Word), "{innocent}");
            assert!(!holds(innocent, "odata", As::Word), "{innocent}");
        }
        for found in ["Entra", "entra_id", "EntraId", "useEntra", "an entra.", "ENTRA_ID"] {
            assert!(holds(found, "entra", As::Word), "{found}");
        }
        assert!(!holds("the dependency graph. It", "graph", As::Dotted));
        assert!(!holds("a paragraph.break", "graph", As::Dotted));
        assert!(holds("x.graph.y", "graph", As::Dotted));
    }
}
