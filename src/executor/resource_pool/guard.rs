//! What a holder has.

use std::fmt;
use std::ops::{Deref, DerefMut};

use scopeguard::ScopeGuard;

use super::manage::Manage;
use super::shared::{Held, Parts};
use super::state::Event;

/// A resource that its holder alone uses. Dropping it gives it back: the pool cleans it, or replaces it when the holder
/// panicked, called [`ResourceGuard::mark_dirty`], or the pool was closed. Dropping never blocks.
#[must_use = "it goes back to the pool when it is dropped"]
pub struct ResourceGuard<M: Manage>(Held<M>);

impl<M: Manage> ResourceGuard<M> {
    pub(super) fn new(held: Held<M>) -> Self {
        Self(held)
    }

    /// Has it replaced when it comes back, whatever it looks like.
    pub fn mark_dirty(&mut self) {
        self.0.is_dirty = true;
    }

    /// Takes it out of the pool for good: the caller ends it, and the pool may make another one.
    #[must_use]
    pub fn detach(self) -> M::Resource {
        let Parts { resource, slot, .. } = ScopeGuard::into_inner(self.0);
        slot.end(Some(Event::Detached));
        resource
    }
}

impl<M: Manage> Deref for ResourceGuard<M> {
    type Target = M::Resource;

    fn deref(&self) -> &M::Resource {
        &self.0.resource
    }
}

impl<M: Manage> DerefMut for ResourceGuard<M> {
    fn deref_mut(&mut self) -> &mut M::Resource {
        &mut self.0.resource
    }
}

impl<M: Manage<Resource: fmt::Debug>> fmt::Debug for ResourceGuard<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResourceGuard").field(&self.0.resource).finish()
    }
}
