//! `inventory`: what was last observed.

use super::arguments::InventoryCommand;
use super::output::{Failure, Output};
use super::setup::actor;
use provident::inventory::{InventoryFilter, InventoryItem};
use provident::service::Service;

/// `inventory`.
pub(super) async fn inventory(service: &Service, output: &Output, command: InventoryCommand) -> Result<(), Failure> {
    match command {
        InventoryCommand::List { environment, filter, page } => {
            let scope = &environment.scope;
            let filter = InventoryFilter {
                provider_key: filter.provider,
                subject_class: filter.class,
                subject_domain: filter.domain,
                canonical_subject_key: filter.subject,
                ..InventoryFilter::default()
            };
            let found = service
                .inventory(actor(scope), &scope.workspace, environment.environment, &filter, page.request())
                .await?;
            output.show(&found, |sheet| {
                sheet.head(&["item", "key", "support", "label", "last observed"]);
                for item in &found.items {
                    sheet.row([
                        item.id.to_string(),
                        item.canonical_subject_key.to_string(),
                        item.support_level.to_string(),
                        label(item),
                        item.last_observed_at.to_string(),
                    ]);
                }
                sheet.next(found.next);
            })
        }
        InventoryCommand::Show { scope, item } => {
            let item = service.inventory_item(actor(&scope), &scope.workspace, item).await?;
            output.show(&item, |sheet| {
                sheet.fact("item", item.id);
                sheet.fact("environment", item.environment_id);
                sheet.fact("key", &item.canonical_subject_key);
                sheet.fact("domain", &item.subject_domain);
                sheet.fact("support level", item.support_level);
                sheet.fact("label", label(&item));
                sheet.fact("observation", item.observation_status.as_str());
                sheet.fact("first observed", item.first_observed_at);
                sheet.fact("last observed", item.last_observed_at);
                sheet.fact("descriptor digest", &item.descriptor_digest);
            })
        }
    }
}

fn label(item: &InventoryItem) -> String {
    item.display_label.as_ref().map_or_else(String::new, |label| label.as_str().to_owned())
}
