//! What attempts on doubles do.

use coupa_batch::model::FailureKind;

/// What a scripted attempt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    /// Brings one file.
    Done,
    /// Lists nothing.
    Empty,
    /// Fails.
    Fail(FailureKind),
    /// Fails, with one of two files in the folder.
    FailPartly(FailureKind),
    /// Fails without a file, but has seen who the supplier is.
    FailKnowingSupplier(FailureKind),
    /// Panics.
    Panic,
    /// Never ends unless it is cancelled.
    Hang,
    /// Ends only when it is dropped.
    Ignore,
    /// The same, with one of two files in the folder.
    IgnorePartly,
    /// Panics, with one of two files in the folder.
    PanicPartly,
}
