//! The seam to whatever is pooled.

use std::error::Error;
use std::future::Future;

/// Makes, cleans and destroys one kind of resource. Each call runs in a task of the pool; calls for different resources run
/// side by side. A call that panics is a failure like any other.
pub trait Manage: Send + Sync + 'static {
    /// What is lent.
    type Resource: Send + 'static;
    /// Why a verb failed, for the person who acquires and for the log.
    type Error: Error + Send + Sync + 'static;

    /// Makes a resource. Bounded by `create_timeout`; the future is dropped when that is over and when the pool closes, and
    /// must then leave nothing behind.
    fn create(&self) -> impl Future<Output = Result<Self::Resource, Self::Error>> + Send;

    /// Checks a resource that has come back, and cleans it for the next holder. Called once per return. Bounded by
    /// `recycle_timeout`; when the future is dropped for that, the resource is destroyed.
    ///
    /// [`Condition::Dirty`] and an error have it destroyed and replaced.
    fn recycle(&self, resource: &mut Self::Resource) -> impl Future<Output = Result<Condition, Self::Error>> + Send;

    /// Ends a resource. Called once for each that was made and not detached. Bounded by `destroy_timeout`; a future that is
    /// dropped for that must leave as little as it can.
    fn destroy(&self, resource: Self::Resource) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Whether an idle resource can still be lent. Asked right before it is; must not block. Default: yes.
    fn is_alive(&self, resource: &Self::Resource) -> bool {
        let _ = resource;
        true
    }
}

/// What a resource is like after it has been cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// As new: it may be lent again.
    Clean,
    /// It works, but not as new: it is replaced.
    Dirty,
}
