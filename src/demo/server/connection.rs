//! Connections that can be cut: by a fault (reset) and when the portal stops, whatever is under way on them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The listener of a portal.
pub(crate) struct Connections {
    listener: TcpListener,
    stop: CancellationToken,
}

impl Connections {
    pub(crate) fn new(listener: TcpListener, stop: CancellationToken) -> Self {
        Self { listener, stop }
    }
}

impl Listener for Connections {
    type Io = ConnectionIo;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (ConnectionIo, SocketAddr) {
        let (stream, from) = Listener::accept(&mut self.listener).await;
        // small answers would otherwise wait for acknowledgements; without it they are merely late
        let _ = stream.set_nodelay(true);
        let stopped = Box::pin(self.stop.clone().cancelled_owned());
        (ConnectionIo { stream, stopped, line: Connection::default() }, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// What an answer can do to the connection that it goes to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    is_reset: Arc<AtomicBool>,
}

impl Connection {
    /// The next byte written, or read, resets the connection instead, and so does its end.
    pub(crate) fn reset(&self) {
        // nothing else is published with the flag, so no ordering is needed
        self.is_reset.store(true, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, Connections>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        stream.io().line.clone()
    }
}

/// One connection.
pub(crate) struct ConnectionIo {
    stream: TcpStream,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    line: Connection,
}

impl ConnectionIo {
    /// Why nothing more goes over this connection, if so. Wakes the caller when the portal stops.
    fn cut(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        if self.line.is_reset.load(Ordering::Relaxed) {
            // without it the connection would be closed in the orderly way; then the client sees an empty answer
            let _ = self.stream.set_zero_linger();
            return Some(io::ErrorKind::ConnectionReset.into());
        }
        self.stopped.as_mut().poll(cx).is_ready().then(|| io::ErrorKind::ConnectionAborted.into())
    }
}

impl AsyncRead for ConnectionIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.cut(cx) {
            Some(why) => Poll::Ready(Err(why)),
            None => Pin::new(&mut self.stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ConnectionIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.cut(cx) {
            Some(why) => Poll::Ready(Err(why)),
            None => Pin::new(&mut self.stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.cut(cx) {
            Some(why) => Poll::Ready(Err(why)),
            None => Pin::new(&mut self.stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.cut(cx) {
            Some(why) => Poll::Ready(Err(why)),
            None => Pin::new(&mut self.stream).poll_shutdown(cx),
        }
    }
}
