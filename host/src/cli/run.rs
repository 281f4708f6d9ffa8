//! `run`: operations at a provider. Started, listed, watched and cancelled here; worked on elsewhere.

use super::arguments::{OneRun, RunCommand, Scope};
use super::output::{Failure, Output};
use super::setup::actor;
use indicatif::{ProgressBar, ProgressStyle};
use provident::registry::{RunOutcome, RunStatus};
use provident::run::{ConnectionChoice, OperationRun, RunFilter, StartOperation, Started};
use provident::service::Service;
use std::time::Duration;
use uuid::Uuid;

/// How often a run that is watched is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// `run`.
pub(super) async fn run(service: &Service, output: &Output, command: RunCommand) -> Result<(), Failure> {
    match command {
        RunCommand::Start { environment, operation, through, watch: watched } => {
            let scope = environment.scope.clone();
            let connection = match (through.connection, through.provider) {
                (Some(id), _) => ConnectionChoice::Explicit(id),
                (None, provider) => ConnectionChoice::DefaultOf(provider.unwrap_or_default()),
            };
            let start = StartOperation { operation_type: operation, connection };
            let started =
                service.start_operation(actor(&scope), &scope.workspace, environment.environment, &start).await?;
            if watched { watch(service, output, &scope, started.run.id).await } else { show_started(output, &started) }
        }
        RunCommand::List { environment, operation, active, page } => {
            let scope = &environment.scope;
            let filter = RunFilter { operation_type: operation, active };
            let found =
                service.runs(actor(scope), &scope.workspace, environment.environment, &filter, page.request()).await?;
            output.show(&found, |sheet| {
                sheet.head(&["run", "operation", "status", "outcome", "why", "started", "counts"]);
                for run in &found.items {
                    sheet.row([
                        run.id.to_string(),
                        run.operation_type.clone(),
                        run.status.as_str().to_owned(),
                        run.outcome.map_or_else(String::new, |outcome| outcome.as_str().to_owned()),
                        run.reason_code.clone().unwrap_or_default(),
                        run.created_at.to_string(),
                        counts(run),
                    ]);
                }
                sheet.next(found.next);
            })
        }
        RunCommand::Show(OneRun { scope, run }) => {
            show(output, &service.run(actor(&scope), &scope.workspace, run).await?)
        }
        RunCommand::Watch(OneRun { scope, run }) => watch(service, output, &scope, run).await,
        RunCommand::Cancel(OneRun { scope, run }) => {
            show(output, &service.cancel_run(actor(&scope), &scope.workspace, run).await?)
        }
    }
}

/// Shows how far a run is until it has ended. Nothing is asked but the database.
async fn watch(service: &Service, output: &Output, scope: &Scope, run_id: Uuid) -> Result<(), Failure> {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(EVERY);
    let run = loop {
        let run = service.run(actor(scope), &scope.workspace, run_id).await?;
        if run.status == RunStatus::Completed {
            break run;
        }
        let how = if run.status == RunStatus::Queued { "waits for a worker" } else { run.status.as_str() };
        bar.set_message(format!("{} {how} {}", run.operation_type, counts(&run)));
        tokio::time::sleep(EVERY).await;
    };
    bar.finish_and_clear();
    show(output, &run)?;
    let why = || {
        let code = run.reason_code.as_deref().unwrap_or("run-failed");
        (code, run.message.clone().unwrap_or_default())
    };
    match run.outcome {
        Some(RunOutcome::PartiallySucceeded) => {
            let (code, message) = why();
            Err(Failure::refused(code, message))
        }
        Some(RunOutcome::Failed | RunOutcome::Cancelled) => {
            let (code, message) = why();
            Err(Failure::failed(code, message))
        }
        Some(RunOutcome::Succeeded) | None => Ok(()),
    }
}

fn counts(run: &OperationRun) -> String {
    let counts: Vec<String> = run.summary_counts.iter().map(|(key, count)| format!("{key} {count}")).collect();
    counts.join(", ")
}

fn show_started(output: &Output, started: &Started) -> Result<(), Failure> {
    output.show(started, |sheet| {
        sheet.fact("run", started.run.id);
        sheet.fact("operation", &started.run.operation_type);
        sheet.fact("status", started.run.status.as_str());
        if started.deduplicated {
            sheet.note("it was started before and has not ended");
        }
    })
}

fn show(output: &Output, run: &OperationRun) -> Result<(), Failure> {
    output.show(run, |sheet| {
        sheet.fact("run", run.id);
        sheet.fact("operation", &run.operation_type);
        sheet.fact("environment", run.environment_id);
        if let Some(connection) = run.provider_connection_id {
            sheet.fact("connection", connection);
        }
        sheet.fact("status", run.status.as_str());
        if let Some(outcome) = run.outcome {
            sheet.fact("outcome", outcome.as_str());
        }
        if let Some(reason) = &run.reason_code {
            sheet.fact("why", reason);
        }
        if let Some(message) = &run.message {
            sheet.fact("in words", message);
        }
        if let Some(context) = &run.context {
            sheet.fact("attempt", context.attempt);
        }
        sheet.fact("started", run.created_at);
        if let Some(at) = run.started_at {
            sheet.fact("begun", at);
        }
        if let Some(at) = run.ended_at {
            sheet.fact("ended", at);
        }
        for (key, count) in run.summary_counts.iter() {
            sheet.fact(key, count);
        }
    })
}
