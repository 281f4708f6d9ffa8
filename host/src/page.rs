//! Pages: a bounded piece of a list, and where the next one starts.

use serde::Serialize;
use uuid::Uuid;

/// Most rows of one page.
pub const MAX_PAGE_ROWS: u32 = 500;
/// The rows of a page where nothing is said.
pub const PAGE_ROWS: u32 = 100;

/// Which piece of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    rows: u32,
    after: Option<Uuid>,
}

impl PageRequest {
    /// So many rows, 1 to [`MAX_PAGE_ROWS`]; more or fewer give the nearest. After the row `next` of the page
    /// before named, or from the start.
    #[must_use]
    pub fn new(rows: u32, after: Option<Uuid>) -> Self {
        let rows = rows.clamp(1, MAX_PAGE_ROWS);
        Self { rows, after }
    }

    pub(crate) fn after(self) -> Option<Uuid> {
        self.after
    }

    /// One row more than asked for, to see whether there is a next page.
    pub(crate) fn limit(self) -> i64 {
        i64::from(self.rows) + 1
    }

    /// Makes the page out of up to [`PageRequest::limit`] rows.
    pub(crate) fn page<T>(self, mut items: Vec<T>, id: impl Fn(&T) -> Uuid) -> Page<T> {
        let rows = usize::try_from(self.rows).unwrap_or(usize::MAX);
        let more = items.len() > rows;
        items.truncate(rows);
        let next = if more { items.last().map(id) } else { None };
        Page { items, next }
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::new(PAGE_ROWS, None)
    }
}

/// A piece of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The rows, in the list's order.
    pub items: Vec<T>,
    /// To be given as `after` for the next page; none on the last.
    pub next: Option<Uuid>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_its_last_row_only_when_there_is_more() {
        let request = PageRequest::new(2, None);
        let ids = |n: u128| (1..=n).map(Uuid::from_u128).collect::<Vec<_>>();
        assert_eq!(request.limit(), 3);
        assert_eq!(request.page(ids(2), |id| *id).next, None);
        let page = request.page(ids(3), |id| *id);
        assert_eq!((page.items.len(), page.next), (2, Some(Uuid::from_u128(2))));
    }

    #[test]
    fn the_number_of_rows_is_bounded() {
        assert_eq!(PageRequest::new(0, None).limit(), 2);
        assert_eq!(PageRequest::new(u32::MAX, None).limit(), i64::from(MAX_PAGE_ROWS) + 1);
    }
}
