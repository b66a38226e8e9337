//! A piece of work for the executor: a closure, or a child process.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::child::{ProcessCommand, ProcessOutput};
use crate::backend::BoxFuture;

/// Any error of a closure.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// One piece of work, named by its id, that brings a `T`. Nothing of it runs before the executor starts it.
pub struct Job<T> {
    pub(super) id: String,
    pub(super) limit: Limit,
    pub(super) work: Work<T>,
}

/// How long a job may run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// As the executor says.
    Default,
    /// Its own, or none.
    Own(Option<Duration>),
}

type BlockingWork<T> = Box<dyn FnOnce(&CancellationToken) -> Result<T, BoxError> + Send>;
type Finish<T> = Box<dyn FnOnce(ProcessOutput) -> T + Send>;

pub(super) enum Work<T> {
    Future(BoxFuture<'static, Result<T, BoxError>>),
    Blocking(BlockingWork<T>),
    Process(ProcessCommand, Finish<T>),
}

impl<T: Send + 'static> Job<T> {
    /// Work that waits. It is dropped where it stands when its time is up or it is cancelled.
    pub fn future<F, E>(id: impl Into<String>, work: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        // the closure is called when the job starts, in the executor's task, where a panic is caught
        Self::new(id, Work::Future(Box::pin(async move { work().await.map_err(Into::into) })))
    }

    /// Work that blocks, on a thread of its own. Nothing can end a thread from outside: when its time is up or it is
    /// cancelled, the token that it is given is cancelled, its result is given without it, and it counts as abandoned until
    /// it returns.
    pub fn blocking<E>(
        id: impl Into<String>,
        work: impl FnOnce(&CancellationToken) -> Result<T, E> + Send + 'static,
    ) -> Self
    where
        E: Into<BoxError>,
    {
        Self::new(id, Work::Blocking(Box::new(move |stop| work(stop).map_err(Into::into))))
    }

    fn new(id: impl Into<String>, work: Work<T>) -> Self {
        Self { id: id.into(), limit: Limit::Default, work }
    }

    /// The time that it may run, instead of the executor's.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Self {
        Self { limit: Limit::Own(Some(limit)), ..self }
    }

    /// Lets it run for as long as it likes.
    #[must_use]
    pub fn without_timeout(self) -> Self {
        Self { limit: Limit::Own(None), ..self }
    }

    /// The name that its result bears.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The same work with another output, so that jobs of several kinds fit in one batch.
    #[must_use]
    pub fn map<U: Send + 'static>(self, map: impl FnOnce(T) -> U + Send + 'static) -> Job<U> {
        let work = match self.work {
            Work::Future(work) => Work::Future(Box::pin(async move { work.await.map(map) })),
            Work::Blocking(work) => Work::Blocking(Box::new(move |stop| work(stop).map(map))),
            Work::Process(command, finish) => Work::Process(command, Box::new(move |output| map(finish(output)))),
        };
        Job { id: self.id, limit: self.limit, work }
    }
}

impl Job<ProcessOutput> {
    /// A child process. It succeeds with exit code 0. It is ended with every process that it started when its time is up, when
    /// it is cancelled, and when it ends itself; where this program is killed, it is ended too.
    pub fn process(id: impl Into<String>, command: ProcessCommand) -> Self {
        Self::new(id, Work::Process(command, Box::new(|output| output)))
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.work {
            Work::Future(_) => "future",
            Work::Blocking(_) => "blocking",
            Work::Process(..) => "process",
        };
        f.debug_struct("Job").field("id", &self.id).field("kind", &kind).finish_non_exhaustive()
    }
}
