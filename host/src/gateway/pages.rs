//! Lists in pages: where the next one is, and that there is an end.
//!
//! A next page is on the origin the first one is on, at its path or below: a provider that names any other place gets no
//! request, and no token. No page is read twice.

use std::collections::BTreeSet;
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::client::SafeUrl;
use super::contract::{Contract, Link, Paging};
use super::failure::Failure;
use super::json;
use super::session::Session;
use crate::run::ReasonCode;

/// Longest link to a next page, in bytes.
const LINK_BYTES: usize = 16 * 1024;

/// A list that is read page by page.
pub struct Pages<'a> {
    session: &'a mut Session,
    contract: &'static Contract,
    /// The first page, once it was asked for.
    first: Option<SafeUrl>,
    next: Next,
    /// Digests of the links of all pages read.
    seen: BTreeSet<[u8; 32]>,
}

/// What is to be read.
enum Next {
    First,
    At(SafeUrl),
    /// The page that was read names one where none may be.
    Elsewhere,
    Nothing,
}

impl fmt::Debug for Pages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("contract", &self.contract.name()).finish_non_exhaustive()
    }
}

impl<'a> Pages<'a> {
    pub(super) fn new(session: &'a mut Session, contract: &'static Contract) -> Self {
        Self { session, contract, first: None, next: Next::First, seen: BTreeSet::new() }
    }

    /// The next page, as the provider sent it: one JSON object with a list in it. None after the last one.
    ///
    /// # Errors
    /// [`Failure`]; after it there are no further pages.
    pub async fn next(&mut self) -> Result<Option<String>, Failure> {
        let Paging::NextLink { items, next, link } = self.contract.paging() else {
            return Err(self.session.fault(self.contract));
        };
        let url = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Nothing => return Ok(None),
            Next::Elsewhere => return Err(Failure::of(ReasonCode::PagingElsewhere, self.contract)),
            Next::At(url) => url,
            Next::First => {
                let first = self.session.url(self.contract)?;
                self.first.insert(first).clone()
            }
        };
        self.see(&url)?;
        let page = self.session.read(self.contract, &url).await?;
        self.session.count_page();
        let malformed = || Failure::malformed(self.contract);
        let members = json::members(&page).ok_or_else(malformed)?;
        members.get(items).filter(|list| list.get().starts_with('[')).ok_or_else(malformed)?;
        self.next = match members.get(next).map(|next| next.get()) {
            None | Some("null") => Next::Nothing,
            Some(text) => {
                let written: String = serde_json::from_str(text).map_err(|_| malformed())?;
                self.follow(&written, link).map_or(Next::Elsewhere, Next::At)
            }
        };
        Ok(Some(page))
    }

    /// Refuses a page that was read before, and one too many.
    fn see(&mut self, url: &SafeUrl) -> Result<(), Failure> {
        let most = self.session.most_pages();
        let count = u64::try_from(self.seen.len()).unwrap_or(u64::MAX);
        let is_new = self.seen.insert(Sha256::digest(url.as_str()).into());
        if is_new && count < most { Ok(()) } else { Err(Failure::of(ReasonCode::PagingEndless, self.contract)) }
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
}
