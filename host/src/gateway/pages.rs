//! Lists in pages: where the next one is, and that there is an end.
//!
//! A next page is on the origin the first one is on, at its path or below: a provider that names any other place gets no
//! request, and no token. No page is read twice.

use std::collections::BTreeSet;
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::client::SafeUrl;
use super::contract::{Contract, Link, Paging};
use super::failure::{Asked, Failure, Outcome};
use super::json;
use super::session::{Session, failed};
use crate::run::ReasonCode;

/// Longest link to a next page, in bytes.
const LINK_BYTES: usize = 16 * 1024;

/// A list that is read page by page.
pub struct Pages<'a> {
    session: &'a mut Session,
    contract: &'static Contract,
    /// The first page, once it was asked for.
    first: Option<SafeUrl>,
    /// The page to be read; none before the first and after the last.
    next: Option<SafeUrl>,
    /// Digests of the links of all pages read.
    seen: BTreeSet<[u8; 32]>,
    over: bool,
}

impl fmt::Debug for Pages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("contract", &self.contract.name()).finish_non_exhaustive()
    }
}

impl<'a> Pages<'a> {
    pub(super) fn new(session: &'a mut Session, contract: &'static Contract) -> Self {
        Self { session, contract, first: None, next: None, seen: BTreeSet::new(), over: false }
    }

    /// The next page, as the provider sent it: one JSON object with a list in it. None after the last one.
    ///
    /// # Errors
    /// [`Failure`]; after it there are no further pages.
    pub async fn next(&mut self) -> Result<Option<String>, Failure> {
        if self.over {
            return Ok(None);
        }
        self.over = true;
        let Paging::NextLink { items, next, link } = self.contract.paging() else {
            return Err(self.session.fault(self.contract));
        };
        let url = match self.next.take() {
            Some(url) => url,
            None => {
                let first = self.session.url(self.contract)?;
                self.first.insert(first).clone()
            }
        };
        self.see(&url)?;
        let page = self.session.read(self.contract, &url).await?;
        let malformed = || failed(self.contract.name(), Outcome::Malformed, Asked::Contract);
        let members = json::members(&page).ok_or_else(malformed)?;
        self.session.count_page();
        members.get(items).filter(|list| list.get().starts_with('[')).ok_or_else(malformed)?;
        let written = match members.get(next).map(|next| next.get()) {
            None | Some("null") => None,
            Some(text) => Some(serde_json::from_str::<String>(text).map_err(|_| malformed())?),
        };
        if let Some(written) = written {
            let elsewhere = self.ended(ReasonCode::PagingElsewhere);
            self.next = Some(self.follow(&written, link).ok_or(elsewhere)?);
            self.over = false;
        }
        Ok(Some(page))
    }

    /// Refuses a page that was read before, and one too many.
    fn see(&mut self, url: &SafeUrl) -> Result<(), Failure> {
        let most = self.session.most_pages();
        let count = u64::try_from(self.seen.len()).unwrap_or(u64::MAX);
        let is_new = self.seen.insert(Sha256::digest(url.as_str()).into());
        if is_new && count < most { Ok(()) } else { Err(self.ended(ReasonCode::PagingEndless)) }
    }

    /// The next page, if it is where the list is.
    fn follow(&self, written: &str, link: Link) -> Option<SafeUrl> {
        if written.len() > LINK_BYTES {
            return None;
        }
        let url = match link {
            Link::Absolute => SafeUrl::parse(written)?,
            Link::Path => self.session.url_at(Some(written).filter(|path| path.starts_with('/'))?)?,
        };
        self.first.as_ref().is_some_and(|first| url.is_under(first)).then_some(url)
    }

    fn ended(&self, reason: ReasonCode) -> Failure {
        Failure { reason, contract: self.contract.name(), status: None }
    }
}
