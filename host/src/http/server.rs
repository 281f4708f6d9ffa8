//! Serving: connections on a listener, and their end. It knows bytes and time, and nothing of what is asked.
//!
//! Asked to stop, it takes no new connection, answers what it has begun to read, and waits for the changes under way;
//! when their time is over, or on being asked again, it leaves them as they are.

use std::io;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a new connection may say nothing.
const SILENCE: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how long a connection may wait for the next one. Longer than what stands
/// in front usually keeps a connection, so that this side is not the one to close it.
const HEAD_TIME: Duration = Duration::from_secs(75);
/// The wait after a connection could not be taken, as when there are too many open files.
const ACCEPT_WAIT: Duration = Duration::from_millis(200);

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything that was begun is done.
    Finished,
    /// Something was still under way.
    CutShort,
}

/// Serves each router on its listener until `stops` says so, then finishes for at most `grace`: requests, and after them
/// `changes`. A second word of `stops` ends it at once.
pub async fn serve(
    served: Vec<(TcpListener, Router)>,
    changes: &TaskTracker,
    mut stops: mpsc::Receiver<()>,
    grace: Duration,
) -> Ended {
    let stop = CancellationToken::new();
    let mut listening = JoinSet::new();
    for (listener, router) in served {
        listening.spawn(listen(listener, router, stop.clone()));
    }
    stops.recv().await;
    tracing::info!(grace_s = grace.as_secs(), "stopping: finishing what is under way");
    stop.cancel();
    let finished = async {
        while listening.join_next().await.is_some() {}
        changes.close();
        changes.wait().await;
    };
    let again = async {
        if stops.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        () = finished => Ended::Finished,
        () = again => Ended::CutShort,
        () = tokio::time::sleep(grace) => Ended::CutShort,
    }
}

/// Takes connections until told to stop; ends when the last of them has.
async fn listen(listener: TcpListener, router: Router, stop: CancellationToken) {
    let (graceful, builder) = (GracefulShutdown::new(), builder());
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = (stream, router.clone(), builder.clone(), graceful.watcher(), stop.clone());
                tokio::spawn(async move {
                    let (stream, router, builder, watcher, stop) = connection;
                    connected(stream, router, &builder, watcher, &stop).await;
                });
            }
            // The one that called is gone already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!(error = %error.kind(), "a connection could not be taken");
                tokio::time::sleep(ACCEPT_WAIT).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

fn builder() -> Builder<TokioExecutor> {
    // HTTP/1.1 alone: what tells the versions apart waits for ever for a head that does not come.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    builder
}

/// Answers what comes over one connection.
async fn connected(
    stream: TcpStream,
    router: Router,
    builder: &Builder<TokioExecutor>,
    watcher: Watcher,
    stop: &CancellationToken,
) {
    // An answer is written whole; there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let mut first = [0];
    let spoke = tokio::select! {
        () = stop.cancelled() => return,
        spoke = tokio::time::timeout(SILENCE, stream.peek(&mut first)) => spoke,
    };
    if !matches!(spoke, Ok(Ok(1..))) {
        return;
    }
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if watcher.watch(connection).await.is_err() {
        // Its words may quote what was sent.
        tracing::debug!("a connection broke");
    }
}
