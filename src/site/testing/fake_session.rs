//! The double of a session with a page of the double of a portal.

use super::fake_portal::{BASE, FakeSession};
use crate::backend::{BoxFuture, CloseReport, KillSwitch, Page, Session, SessionError, SessionHealth};

impl Session for FakeSession {
    fn page(&mut self) -> &mut dyn Page {
        &mut self.0
    }

    fn kill_switch(&self) -> KillSwitch {
        KillSwitch::new(|| {})
    }

    fn root_pid(&self) -> Option<u32> {
        None
    }

    fn is_usable(&self) -> bool {
        !self.0.portal.state().is_dead
    }

    fn driver_output(&self) -> String {
        let ticket = self.0.ticket.unwrap_or_default();
        format!("[INFO] GET {BASE}/order_headers/7?token=t0ken-of-a-link | sent {ticket} and right")
    }

    fn check_health(&mut self) -> BoxFuture<'_, Result<SessionHealth, SessionError>> {
        now!(Ok(SessionHealth::default()))
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, CloseReport> {
        now!(CloseReport::default())
    }
}
