//! `database`: an installation moved into another database (system plane).

use super::output::{Failure, Output};
use super::place::Place;
use provident::actor::SystemPlane;
use provident::service::Service;

/// `database copy`.
pub(super) async fn copy(place: &Place, output: &Output, to: &str) -> Result<(), Failure> {
    let copied = Service::copy_database(&SystemPlane::at_the_shell(), &place.settings()?, to).await;
    let report = copied.map_err(|error| place.explain(error))?;
    output.show(&report, |sheet| {
        sheet.head(&["table", "rows"]);
        for (table, rows) in &report.rows {
            sheet.row([(*table).to_owned(), rows.to_string()]);
        }
        sheet.note(format!("{} workspaces, {} events verified", report.workspaces, report.events_verified));
    })
}
