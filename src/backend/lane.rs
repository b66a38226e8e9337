//! The seam to a lane: several orders under way in one session.
//!
//! The worker hands attempts in through a [`LaneFeed`], the site takes them from [`LaneOrders`] and answers each through its
//! [`LaneReply`]. Neither side waits for the other in order to hand something over.

use tokio::sync::{mpsc, oneshot, watch};

use super::{Attempt, AttemptError};
use crate::model::Receipt;

/// An attempt handed to a lane, and the way its end comes back.
#[derive(Debug)]
pub struct LaneOrder {
    /// What is to be done. Its token is cancelled by its deadline or when the run aborts; the lane then answers within the
    /// `close` deadline, and its other orders go on.
    pub attempt: Attempt,
    /// Whether no other order is in this session until this one has ended, since a session ended under it before. It is best
    /// done without a lane's shortcuts: if the session ends again, this order pays for it.
    pub is_alone: bool,
    /// Takes its end.
    pub reply: LaneReply,
}

/// Answers once. One that is dropped without an answer says that the order was lost with its session.
#[derive(Debug)]
pub struct LaneReply(oneshot::Sender<LaneEnd>);

impl LaneReply {
    /// Tells the worker how the attempt ended. The order must not be touched any more.
    pub fn send(self, end: LaneEnd) {
        // a worker that no longer waits has ended the session
        drop(self.0.send(end));
    }
}

/// How an attempt in a lane ended.
#[derive(Debug)]
pub struct LaneEnd {
    /// As [`Site::collect`](super::Site::collect) returns it.
    pub result: Result<Receipt, AttemptError>,
    /// Whether it came to the order itself. If not (the login failed), the failure of a site costs the order no try.
    pub was_begun: bool,
    /// Where evidence of a failure is, as [`Failure::evidence`](crate::model::Failure::evidence) holds it.
    pub evidence: Option<String>,
}

/// The lane's side: orders as they come, and how many it wants at a time.
#[derive(Debug)]
pub struct LaneOrders {
    orders: mpsc::Receiver<LaneOrder>,
    wanted: watch::Sender<usize>,
}

impl LaneOrders {
    /// Waits for the next order; none when no more will come: the lane then ends as soon as it has answered all. Dropping
    /// the future loses nothing.
    pub async fn next(&mut self) -> Option<LaneOrder> {
        self.orders.recv().await
    }

    /// From now on up to this many orders are handed to the lane at a time, those included that it has not taken yet; at
    /// least 1, and never more than [`Site::max_slots`](super::Site::max_slots) or the settings allow. Orders under way go
    /// on, and those that were asked for still come. Until it says so the lane gets as many as it may have.
    pub fn want(&self, slots: usize) {
        let slots = slots.max(1);
        self.wanted.send_if_modified(|wanted| std::mem::replace(wanted, slots) != slots);
    }
}

/// The worker's side. Dropping it lets the lane end when it has answered all its orders.
#[derive(Debug)]
pub struct LaneFeed {
    orders: mpsc::Sender<LaneOrder>,
    wanted: watch::Receiver<usize>,
}

impl LaneFeed {
    /// The two ends of a lane of at most `max_slots` orders at a time.
    #[must_use]
    pub fn new(max_slots: usize) -> (Self, LaneOrders) {
        let max_slots = max_slots.max(1);
        // room for all: nobody hands in more than are wanted
        let (sender, orders) = mpsc::channel(max_slots);
        let (wanted, watched) = watch::channel(max_slots);
        (Self { orders: sender, wanted: watched }, LaneOrders { orders, wanted })
    }

    /// Hands an attempt in. Its end comes through the receiver; an error there says that it was lost with the session. An
    /// attempt that the lane cannot take any more is lost as well.
    #[must_use]
    pub fn hand_in(&self, attempt: Attempt, is_alone: bool) -> oneshot::Receiver<LaneEnd> {
        let (reply, end) = oneshot::channel();
        // dropping the order says that it was lost
        drop(self.orders.try_send(LaneOrder { attempt, is_alone, reply: LaneReply(reply) }));
        end
    }

    /// How many orders the lane wants at a time, and when that changes.
    #[must_use]
    pub fn wanted(&self) -> watch::Receiver<usize> {
        self.wanted.clone()
    }
}
