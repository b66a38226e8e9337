//! How a walk in frames ends that does not bring the whole order, and why an order is for the tab lane to judge: that costs
//! the order nothing.

use std::fmt;

use crate::backend::AttemptError;
use crate::model::{FailureKind, Receipt};

/// A reason, for a person and for what is learnt from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TabReason {
    /// Frames do not work on this portal.
    NoFrames,
    /// There is no HTTP client to fetch files with.
    NoClient,
    /// The order is to be alone in its session.
    Alone,
    /// Its page cannot be shown in a frame.
    Denied,
    /// Its page went elsewhere by itself.
    Moved,
    /// Something was still to come when time was up.
    Unsettled(String),
    /// It is not the page that was asked for.
    NotWanted(String),
    /// The page names another order.
    OtherNumber,
    /// It lists nothing, and a frame does not prove that there is nothing.
    Empty(String),
    /// The page says that it has more than it lists.
    Unlisted(String),
    /// The address of a file could not be had without asking for the file.
    Uncaught(String),
    /// More was listed after the clicks.
    Changed,
    /// What came is not the file, or may be another one.
    NoFile(String),
    /// A requisition that a frame cannot judge.
    Requisition(String),
    /// What the page shows could not be read.
    Unreadable(String),
    /// The page that held the frames has gone.
    ConductorGone,
    /// The portal asked for a login although the session is logged in.
    Login,
}

impl fmt::Display for TabReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFrames => f.write_str("the portal does not let its pages be shown in frames"),
            Self::NoClient => f.write_str("files cannot be fetched without a browser: the HTTP client did not start"),
            Self::Alone => f.write_str("a browser ended while it was open with others"),
            Self::Denied => f.write_str("its page cannot be shown in a frame"),
            Self::Moved => f.write_str("its page went to another address by itself"),
            Self::Unsettled(why) => write!(f, "its page was not complete in time: {why}"),
            Self::NotWanted(shown) => write!(f, "another page was shown: {shown}"),
            Self::OtherNumber => f.write_str("its page shows another number"),
            Self::Empty(why) => write!(f, "its page lists nothing: {why}"),
            Self::Unlisted(why) => write!(f, "its list may not be complete: {why}"),
            Self::Uncaught(name) => write!(f, "no address could be had for {name}"),
            Self::Changed => f.write_str("its list changed while it was read"),
            Self::NoFile(why) => write!(f, "a file did not come by HTTP: {why}"),
            Self::Requisition(why) => write!(f, "its requisition: {why}"),
            Self::Unreadable(why) => write!(f, "its page could not be read: {why}"),
            Self::ConductorGone => f.write_str("the page that held its frame has gone"),
            Self::Login => f.write_str("the portal asked for a login although the session is logged in"),
        }
    }
}

/// How a walk ended that did not bring the whole order.
#[derive(Debug)]
pub(crate) enum WalkEnd {
    /// The tab lane is to judge.
    ToTab(TabReason),
    /// The portal asked for a login.
    LoginInDoubt,
    /// No frame was opened for it, and nothing else was tried.
    NotOpened(AttemptError),
    /// The attempt ends with this.
    Failed(AttemptError),
}

impl WalkEnd {
    /// The run, or the attempt's time, is over.
    pub(crate) fn interrupted() -> Self {
        let why = "the run was stopped before the order was finished";
        Self::Failed(AttemptError::new(FailureKind::Interrupted, why))
    }
}

/// A walk that has not brought all of its order.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) end: WalkEnd,
    /// What is in the order's folder all the same.
    pub(crate) receipt: Receipt,
}
