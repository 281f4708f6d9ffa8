//! Connections that can be cut: a listener on loopback whose lines end with a reset once their plug is pulled.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The plug of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Plug(Arc<AtomicBool>);

impl Plug {
    /// Nothing passes from now on, and the other side is told so with a reset.
    pub(super) fn pull(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_pulled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn whole(&self) -> Result<()> {
        if self.is_pulled() { Err(Error::from(ErrorKind::ConnectionReset)) } else { Ok(()) }
    }
}

impl Connected<IncomingStream<'_, Loopback>> for Plug {
    fn connect_info(stream: IncomingStream<'_, Loopback>) -> Self {
        stream.io().plug.clone()
    }
}

/// The listener.
#[derive(Debug)]
pub(super) struct Loopback {
    /// Where.
    pub(super) listener: TcpListener,
    /// How many connections there were.
    pub(super) connections: Arc<AtomicUsize>,
}

impl Listener for Loopback {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        loop {
            if let Ok((stream, from)) = self.listener.accept().await {
                self.connections.fetch_add(1, Ordering::SeqCst);
                // Without it, small pieces of a slow body would come later than they are sent.
                let _ = stream.set_nodelay(true);
                return (Line { stream, plug: Plug::default() }, from);
            }
            // No more files, most likely: somebody has to close one first.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    plug: Plug,
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        self.plug.whole()?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.plug.whole()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.plug.whole()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.plug.whole()?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.plug.is_pulled() {
            // Closed without lingering, a connection is reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}
