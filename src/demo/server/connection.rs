//! Connections that can be reset by a fault, and when the portal stops.

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
        // without this, small responses wait for acknowledgements
        let _ = stream.set_nodelay(true);
        let stopped = Box::pin(self.stop.clone().cancelled_owned());
        (ConnectionIo { stream, stopped, line: Connection::default() }, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Lets a response reset its connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    is_reset: Arc<AtomicBool>,
}

impl Connection {
    /// Resets the connection at the next read, write or close.
    pub(crate) fn reset(&self) {
        // the flag publishes nothing else, so it needs no ordering
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
    /// The error if this connection is to be reset. Wakes the caller when the portal stops.
    fn cut(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        if self.line.is_reset.load(Ordering::Relaxed) {
            // otherwise the connection would be closed normally, and the client would see an empty response
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
