//! Where providers are: each has its public place, and an installation may say another in its settings.
//!
//! Judged here, before anything is asked: a place is reached over TLS or is this machine, and no secret stands in it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::client::SafeUrl;
use super::contract::{Auth, ProviderApi};

/// One provider elsewhere than where it usually is. In TOML: `key`, and `api_url` or `token_url` or both.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointSettings {
    /// The provider.
    pub key: String,
    /// Where it is.
    pub api_url: Option<String>,
    /// Where it gives tokens; `{directory}` stands for a connection's directory.
    pub token_url: Option<String>,
}

/// Why settings cannot be. No value is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    /// A member that is missing, unknown or not what it takes. Which is not said: there may be a value in it.
    #[error("takes `key`, and `api_url` or `token_url` or both")]
    Members,
    /// No provider of this key.
    #[error("`key` is none of the providers there are")]
    Key,
    /// Two settings for one provider.
    #[error("a provider is named once")]
    Repeated,
    /// Where it is.
    #[error("`api_url` is https, or http on a loopback address, without user, password, query and fragment")]
    ApiUrl,
    /// Where it gives tokens.
    #[error("`token_url` is https, or http on a loopback address, without user, password, query and fragment")]
    TokenUrl,
    /// A place of tokens for a provider without.
    #[error("the provider gives no tokens: it has no `token_url`")]
    NoTokens,
}

/// Settings that cannot be, told by their place from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("provider {number}: {why}")]
pub struct EndpointError {
    /// Their place.
    pub number: usize,
    /// What is wrong.
    pub why: InvalidEndpoint,
}

impl EndpointError {
    /// The stable code.
    pub const CODE: &str = "provider-settings-invalid";
}

/// A place that paths begin at.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// Without a `/` at its end.
    base: String,
}

impl Endpoint {
    /// Reads a place, if it is one that may be asked.
    fn parse(text: &str) -> Option<Self> {
        let url = SafeUrl::parse(text).filter(SafeUrl::is_bare)?;
        Some(Self { base: url.as_str().trim_end_matches('/').to_owned() })
    }

    /// The URL of a path, and a query if there is one, at this place.
    pub(super) fn url(&self, path_and_query: &str) -> Option<SafeUrl> {
        SafeUrl::parse(&format!("{}{path_and_query}", self.base))
    }

    /// As it is written, without a `/` at its end.
    pub(super) fn as_str(&self) -> &str {
        &self.base
    }
}

/// What stands for a connection's directory.
pub(super) const DIRECTORY: &str = "{directory}";

/// A place that differs from directory to directory in its path.
#[derive(Clone, Debug)]
pub(super) struct Template(String);

impl Template {
    /// Reads a place, if it is one that may be asked whatever the directory is.
    fn parse(text: &str) -> Option<Self> {
        let [one, other] = ["1", "2"].map(|id| SafeUrl::parse(&text.replace(DIRECTORY, id)).filter(SafeUrl::is_bare));
        one?.is_beside(&other?).then(|| Self(text.to_owned()))
    }

    /// Whether the directory matters.
    pub(super) fn needs_directory(&self) -> bool {
        self.0.contains(DIRECTORY)
    }

    /// The URL for a directory, which is escaped already.
    pub(super) fn url(&self, directory: &str) -> Option<SafeUrl> {
        SafeUrl::parse(&self.0.replace(DIRECTORY, directory))
    }
}

/// A provider and where it is.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) api: &'static ProviderApi,
    /// None where nobody has said.
    pub(super) place: Option<Endpoint>,
    /// None where it gives no tokens.
    pub(super) tokens: Option<Template>,
}

impl Reach {
    fn usual(api: &'static ProviderApi) -> Self {
        let tokens = match api.auth {
            Auth::Bearer { .. } => None,
            Auth::ClientCredentials { token_url, .. } => Template::parse(token_url),
        };
        Self { api, place: api.api_url.and_then(Endpoint::parse), tokens }
    }

    fn moved(&mut self, settings: &EndpointSettings) -> Result<(), InvalidEndpoint> {
        if settings.api_url.is_none() && settings.token_url.is_none() {
            return Err(InvalidEndpoint::Members);
        }
        if let Some(url) = &settings.api_url {
            self.place = Some(Endpoint::parse(url).ok_or(InvalidEndpoint::ApiUrl)?);
        }
        if let Some(url) = &settings.token_url {
            if matches!(self.api.auth, Auth::Bearer { .. }) {
                return Err(InvalidEndpoint::NoTokens);
            }
            self.tokens = Some(Template::parse(url).ok_or(InvalidEndpoint::TokenUrl)?);
        }
        Ok(())
    }
}

/// Where each provider is.
#[derive(Clone, Debug)]
pub struct Endpoints(BTreeMap<&'static str, Reach>);

impl Endpoints {
    /// The usual places, but for what an installation says. [`crate::provider::endpoints`] knows which providers there are.
    ///
    /// # Errors
    /// [`EndpointError`], the first settings that cannot be.
    pub(crate) fn new(
        apis: impl IntoIterator<Item = &'static ProviderApi>,
        settings: &[EndpointSettings],
    ) -> Result<Self, EndpointError> {
        let mut reaches: BTreeMap<_, _> = apis.into_iter().map(|api| (api.provider_key, Reach::usual(api))).collect();
        for (index, said) in settings.iter().enumerate() {
            let repeated = settings.iter().take(index).any(|before| before.key == said.key);
            let judged = match reaches.get_mut(said.key.as_str()) {
                None => Err(InvalidEndpoint::Key),
                Some(_) if repeated => Err(InvalidEndpoint::Repeated),
                Some(reach) => reach.moved(said),
            };
            judged.map_err(|why| EndpointError { number: index.saturating_add(1), why })?;
        }
        Ok(Self(reaches))
    }

    pub(super) fn reach(&self, provider_key: &str) -> Option<&Reach> {
        self.0.get(provider_key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::Contract;
    use super::*;

    static NO_CONTRACTS: [Contract; 0] = [];

    static CLOUD: ProviderApi = ProviderApi {
        provider_key: "cloud",
        api_url: Some("https://cloud.test/api"),
        auth: Auth::ClientCredentials {
            name: "cloud.token",
            token_url: "https://login.test/{directory}/token",
            scope: "",
            id_field: "id",
            secret_field: "secret",
        },
        contracts: &NO_CONTRACTS,
    };

    static SHOP: ProviderApi = ProviderApi {
        provider_key: "shop",
        api_url: None,
        auth: Auth::Bearer { field: "key" },
        contracts: &NO_CONTRACTS,
    };

    /// Settings of providers: key, place, place of tokens; nothing is not said.
    fn judged(said: &[[&str; 3]]) -> Result<Endpoints, EndpointError> {
        let url = |text: &str| Some(text.to_owned()).filter(|text| text != "-");
        let settings = said.iter().map(|[key, api_url, token_url]| EndpointSettings {
            key: (*key).to_owned(),
            api_url: url(api_url),
            token_url: url(token_url),
        });
        Endpoints::new([&CLOUD, &SHOP], &settings.collect::<Vec<_>>())
    }

    /// Where a path is at a provider, and where it gives tokens.
    fn places(endpoints: &Endpoints, key: &str) -> [Option<String>; 2] {
        let reach = endpoints.reach(key).unwrap();
        let place = reach.place.as_ref().and_then(|place| place.url("/list?a=b"));
        let tokens = reach.tokens.as_ref().and_then(|tokens| tokens.url("d"));
        [place, tokens].map(|url| Some(url?.as_str().to_owned()))
    }

    #[test]
    fn each_provider_is_at_its_usual_place_unless_the_settings_say_otherwise() {
        let own = |text: &str| Some(text.to_owned());
        let usual = Endpoints::new([&CLOUD, &SHOP], &[]).unwrap();
        assert_eq!(
            places(&usual, "cloud"),
            [own("https://cloud.test/api/list?a=b"), own("https://login.test/d/token")]
        );
        assert_eq!(places(&usual, "shop"), [None, None]);
        assert!(usual.reach("other").is_none());

        let moved = judged(&[
            ["cloud", "http://127.0.0.1:7/", "http://[::1]/x/{directory}"],
            ["shop", "https://shop.test/a/b/", "-"],
        ])
        .unwrap();
        assert_eq!(places(&moved, "cloud"), [own("http://127.0.0.1:7/list?a=b"), own("http://[::1]/x/d")]);
        assert_eq!(places(&moved, "shop"), [own("https://shop.test/a/b/list?a=b"), None]);
        let half = judged(&[["cloud", "-", "https://login.test/one"]]).unwrap();
        assert_eq!(places(&half, "cloud"), [own("https://cloud.test/api/list?a=b"), own("https://login.test/one")]);
    }

    #[test]
    fn settings_that_cannot_be_are_refused_by_their_place_and_what_is_wrong() {
        let good = "https://x.test";
        for (said, number, why) in [
            (vec![["other", good, "-"]], 1, InvalidEndpoint::Key),
            (vec![["cloud", "-", "-"]], 1, InvalidEndpoint::Members),
            (vec![["cloud", good, "-"], ["cloud", "-", good]], 2, InvalidEndpoint::Repeated),
            (vec![["cloud", good, "-"], ["shop", good, good]], 2, InvalidEndpoint::NoTokens),
        ] {
            assert_eq!(judged(&said).unwrap_err(), EndpointError { number, why }, "{said:?}");
        }
        for url in [
            "",
            "x",
            "x.test",
            "http://x.test",
            "http://localhost",
            "http://10.0.0.1",
            "http://127.0.0.1.x.test",
            "ftp://127.0.0.1",
            "file:///etc/x",
            "https://user@x.test",
            "https://user:word@x.test",
            "https://x.test?query",
            "https://x.test/?",
            "https://x.test#part",
        ] {
            let refused = judged(&[["cloud", url, "-"]]).unwrap_err();
            assert_eq!(refused.why, InvalidEndpoint::ApiUrl, "{url}");
            let refused = judged(&[["cloud", "-", url]]).unwrap_err();
            assert_eq!(refused.why, InvalidEndpoint::TokenUrl, "{url}");
        }
        for url in ["https://{directory}.x.test", "https://x.test:{directory}", "https://x.test/?d={directory}"] {
            let refused = judged(&[["cloud", "-", url]]).unwrap_err();
            assert_eq!(refused.why, InvalidEndpoint::TokenUrl, "{url}");
        }
    }
}
