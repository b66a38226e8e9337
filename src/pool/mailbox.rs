//! The request channel: whoever wants something of a pool sends it here.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::error::{PoolClosed, SubmitError};
use super::pooled_session::PooledSession;
use super::runtime::channel::Events;
use super::scheduler::{Input, Request};
use super::task_status::TaskCell;
use crate::model::{PoNumber, PoTask, PriorResult, TaskId};

/// Capacity of the request channel; senders wait when it is full.
const CAPACITY: usize = 256;

/// The sending side of the request channel. Its methods wait for the answer of the dispatcher. Dropping their futures
/// leaves open whether the request is carried out.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    requests: mpsc::Sender<Mail>,
    events: Events,
}

/// A request, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) request: Request,
    pub(crate) reply: ReplyTo,
}

/// Where the answer to a request goes.
#[derive(Debug)]
pub(crate) enum ReplyTo {
    /// Nobody waits for one.
    Nobody,
    Submit(oneshot::Sender<Result<Vec<FollowedTask>, SubmitError>>),
    OpenTasks(oneshot::Sender<Vec<FollowedTask>>),
    Cancel(oneshot::Sender<bool>),
    Acquire(oneshot::Sender<PooledSession>),
}

/// A task with the cell in which its status can be followed.
#[derive(Clone, Debug)]
pub(crate) struct FollowedTask {
    pub(crate) task: TaskId,
    pub(crate) po: PoNumber,
    pub(crate) cell: Arc<TaskCell>,
}

impl Mailbox {
    pub(crate) fn channel(events: Events) -> (Self, mpsc::Receiver<Mail>) {
        let (requests, receiver) = mpsc::channel(CAPACITY);
        (Self { requests, events }, receiver)
    }

    pub(crate) async fn submit(
        &self,
        orders: Vec<(PoTask, Option<PriorResult>)>,
    ) -> Result<Vec<FollowedTask>, SubmitError> {
        let answer = self.ask(Request::Submit(orders), ReplyTo::Submit).await;
        answer.unwrap_or(Err(SubmitError::Closed { stop: None }))
    }

    pub(crate) async fn open_tasks(&self) -> Result<Vec<FollowedTask>, PoolClosed> {
        self.ask(Request::OpenTasks, ReplyTo::OpenTasks).await
    }

    pub(crate) async fn cancel(&self, task: TaskId) -> Result<bool, PoolClosed> {
        self.ask(Request::Cancel(task), ReplyTo::Cancel).await
    }

    /// Waits for a session to borrow. Dropping the future gives up the place in the line.
    pub(crate) async fn acquire(&self) -> Result<PooledSession, PoolClosed> {
        self.ask(Request::Acquire, ReplyTo::Acquire).await
    }

    /// Sends a request that has no answer. Returns when the channel has taken it.
    pub(crate) async fn tell(&self, request: Request) -> Result<(), PoolClosed> {
        self.send(request, ReplyTo::Nobody).await
    }

    /// Ends the processes of every session, as soon as the journal has answered the turn under way. Never blocks.
    pub(crate) fn kill(&self) {
        self.events.input(Input::KillAll);
    }

    async fn ask<T>(
        &self,
        request: Request,
        reply_to: impl FnOnce(oneshot::Sender<T>) -> ReplyTo,
    ) -> Result<T, PoolClosed> {
        let (reply, answer) = oneshot::channel();
        self.send(request, reply_to(reply)).await?;
        answer.await.map_err(|_| PoolClosed)
    }

    async fn send(&self, request: Request, reply: ReplyTo) -> Result<(), PoolClosed> {
        self.requests.send(Mail { request, reply }).await.map_err(|_| PoolClosed)
    }
}
