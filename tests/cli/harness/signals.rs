//! Calls that are stopped by signals, and a standard output that takes nothing.

use std::io::{ErrorKind, PipeReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::io::ioctl_fionbio;
use rustix::process::Signal;

use super::command::{Call, Ended, Running, TestEnv};

/// How long somebody waits for an answer before the next signal.
const IMPATIENT: Duration = Duration::from_millis(700);
/// How long the program may take to end after the third signal: its own respite and some time on a busy machine.
const AT_MOST: Duration = Duration::from_secs(40);

/// The end of a pipe that nobody reads.
pub(crate) struct Unread(#[expect(dead_code, reason = "held open")] PipeReader);

impl TestEnv {
    /// Waits until somebody asks the silent portal for a page, and not only whether it is there. The connection stays open
    /// as long as what is returned.
    pub(crate) async fn is_asked(&self) -> Vec<TcpStream> {
        let listener = self.silent.try_clone().unwrap();
        let asked = tokio::task::spawn_blocking(move || {
            let mut connections = Vec::new();
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                connection.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                let has_asked = connection.read(&mut [0; 1]).is_ok_and(|count| count > 0);
                connections.push(connection);
                if has_asked {
                    break;
                }
            }
            connections
        });
        tokio::time::timeout(AT_MOST, asked).await.expect("nobody asked").unwrap()
    }

    /// Waits until the file is there and holds something.
    pub(crate) async fn has_file(&self, path: &Path) {
        let begun = Instant::now();
        while !std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
            assert!(begun.elapsed() < AT_MOST, "{} never appeared", path.display());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Call {
    /// The call with a standard output that is full: whoever writes to it waits for ever.
    pub(crate) fn with_full_output(mut self) -> (Self, Unread) {
        let (reader, mut writer) = std::io::pipe().unwrap();
        ioctl_fionbio(&writer, true).unwrap();
        let full = loop {
            if let Err(why) = writer.write(&[b' '; 4096]) {
                break why.kind();
            }
        };
        assert_eq!(full, ErrorKind::WouldBlock);
        ioctl_fionbio(&writer, false).unwrap();
        self.command.stdout(Stdio::from(writer));
        (self, Unread(reader))
    }
}

impl Running {
    /// Waits until its main thread writes to a full pipe.
    pub(crate) async fn writes_in_vain(&self) {
        let place = format!("/proc/{}/wchan", self.pid());
        let begun = Instant::now();
        while !std::fs::read_to_string(&place).is_ok_and(|place| place.contains("pipe_write")) {
            assert!(begun.elapsed() < AT_MOST, "it never writes: {}", *self.heard.borrow());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends so many signals unless it ends before; the next one when it has answered the one before, or gave no answer
    /// for a while. Returns how it ended.
    pub(crate) async fn signals(mut self, count: usize) -> Ended {
        for signal in [Signal::INT, Signal::TERM, Signal::INT].into_iter().take(count) {
            let said = self.heard.borrow().len();
            self.signal(signal);
            let answered = async {
                tokio::select! {
                    _ended = self.child.wait() => true,
                    _said = self.heard.wait_for(|text| text.len() > said) => false,
                }
            };
            if tokio::time::timeout(IMPATIENT, answered).await.unwrap_or(false) {
                break;
            }
        }
        self.end_within(AT_MOST).await
    }
}
