//! Whose fault it is that a file did not come: its own, or that of the login or the portal as a whole.

use crate::backend::AttemptError;
use crate::download::DownloadError;
use crate::model::{FailureKind, Fault};
use crate::site::error;

/// Who may be at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspect {
    /// The file itself: the others are fetched anyway.
    File,
    /// The login, which may have ended.
    Login,
    /// The portal, which answered with a server error.
    Server,
    /// The portal, which asks for fewer requests.
    Throttle,
    /// Nobody: the file had its share of the order's time.
    Time,
    /// The session, this machine, or a portal that wants to be left alone: nothing more can be fetched now.
    Attempt,
}

impl Suspect {
    pub(crate) fn of(error: &DownloadError) -> Self {
        match error {
            // of another host it may be the single sign-on
            DownloadError::LoginPage
            | DownloadError::Answered { status: 401, .. }
            | DownloadError::Elsewhere { .. } => Self::Login,
            DownloadError::Answered { status: 429, .. } => Self::Throttle,
            DownloadError::Answered { status: 500.., .. } => Self::Server,
            DownloadError::OutOfTime { .. } => Self::Time,
            other if other.kind().fault() == Fault::Task => Self::File,
            _ => Self::Attempt,
        }
    }
}

/// What follows from a file that did not come.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is missing, and the next one is fetched.
    Miss(AttemptError),
    /// The same, and it gets another turn after the others.
    Postpone(AttemptError),
    /// The attempt ends.
    Stop(AttemptError),
}

/// What is known when a file did not come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// Whether this was its turn after the others, on a page that had just been opened.
    pub(crate) is_last_turn: bool,
    /// Whether the login is in force; `None` if that cannot be told.
    pub(crate) is_logged_in: Option<bool>,
    /// Whether the portal is known to give files: one has come meanwhile, or this one has failed in several attempts
    /// although the order's page was shown in each.
    pub(crate) are_files_given: bool,
    /// How many files in a row were answered with an error of the portal, this one included.
    pub(crate) server_errors: u32,
    /// In how many attempts this file was answered with a request for fewer requests, and nothing was left to be
    /// fetched after it.
    pub(crate) throttled_alone: u32,
    /// Whether the file had so much of the attempt's time that another attempt has no more to give.
    pub(crate) had_most_time: bool,
    /// Whether it would get more time in another turn.
    pub(crate) can_have_more_time: bool,
}

/// So many errors of the portal in a row, and no file in between, are the portal's trouble.
const MAX_SERVER_ERRORS: u32 = 3;

/// A file that is answered so in so many attempts, and it alone, is not throttled: it is broken.
const MAX_THROTTLED: u32 = 3;

/// Decides what follows from `error`.
pub(crate) fn judge(error: DownloadError, circumstances: Circumstances) -> Verdict {
    let Circumstances { is_last_turn, is_logged_in, are_files_given, server_errors, .. } = circumstances;
    let suspect = Suspect::of(&error);
    let is_elsewhere = matches!(error, DownloadError::Elsewhere { .. });
    let error = error::of_file(error);
    match suspect {
        Suspect::File => Verdict::Miss(error),
        Suspect::Attempt => Verdict::Stop(error),
        Suspect::Throttle if circumstances.throttled_alone < MAX_THROTTLED => Verdict::Stop(error),
        Suspect::Login if is_logged_in == Some(false) => {
            let message = format!("the login has ended: {error}");
            Verdict::Stop(AttemptError { kind: FailureKind::LoginRequired, message, ..error })
        }
        Suspect::Login if is_elsewhere => Verdict::Miss(error),
        Suspect::Login if is_last_turn => Verdict::Miss(AttemptError {
            kind: FailureKind::AccessDenied,
            message: "the portal answers with a login page each time, although the session is logged in: open it by \
                      hand as the same user, who may lack a permission"
                .to_owned(),
            ..error
        }),
        Suspect::Throttle => Verdict::Miss(own_trouble(error)),
        Suspect::Server if is_last_turn && are_files_given => Verdict::Miss(own_trouble(error)),
        Suspect::Server if is_last_turn || (server_errors >= MAX_SERVER_ERRORS && !are_files_given) => {
            Verdict::Stop(error)
        }
        Suspect::Login | Suspect::Server => Verdict::Postpone(error),
        Suspect::Time if !is_last_turn && circumstances.can_have_more_time => Verdict::Postpone(error),
        Suspect::Time if circumstances.had_most_time => {
            Verdict::Miss(AttemptError { kind: FailureKind::TooLarge, ..error })
        }
        Suspect::Time => Verdict::Miss(error),
    }
}

/// The error, as one of the file alone.
fn own_trouble(error: AttemptError) -> AttemptError {
    let message = format!("{error}; it gave other pages and files meanwhile");
    AttemptError { kind: FailureKind::DownloadCorrupt, message, ..error }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backend::SessionError;

    const PLAIN: Circumstances = Circumstances {
        is_last_turn: false,
        is_logged_in: Some(true),
        are_files_given: false,
        server_errors: 1,
        throttled_alone: 0,
        had_most_time: false,
        can_have_more_time: true,
    };
    const LAST: Circumstances = Circumstances { is_last_turn: true, can_have_more_time: false, ..PLAIN };

    fn answered(status: u16) -> DownloadError {
        DownloadError::Answered { status, retry_after: None }
    }

    fn out_of_time() -> DownloadError {
        DownloadError::OutOfTime { received: 9, after: Duration::from_secs(9) }
    }

    fn said(error: DownloadError, circumstances: Circumstances) -> (&'static str, FailureKind) {
        match judge(error, circumstances) {
            Verdict::Miss(error) => ("miss", error.kind),
            Verdict::Postpone(error) => ("postpone", error.kind),
            Verdict::Stop(error) => ("stop", error.kind),
        }
    }

    #[test]
    fn a_login_page_ends_the_attempt_only_if_the_login_has_ended() {
        for error in [|| DownloadError::LoginPage, || answered(401), || DownloadError::Elsewhere { host: "h".into() }] {
            for is_last_turn in [false, true] {
                let ended = Circumstances { is_logged_in: Some(false), is_last_turn, ..PLAIN };
                assert_eq!(said(error(), ended), ("stop", FailureKind::LoginRequired));
            }
        }
        for is_logged_in in [Some(true), None] {
            let known = |circumstances| Circumstances { is_logged_in, ..circumstances };
            assert_eq!(said(DownloadError::LoginPage, known(PLAIN)), ("postpone", FailureKind::LoginRequired));
            assert_eq!(said(DownloadError::LoginPage, known(LAST)), ("miss", FailureKind::AccessDenied));
            let elsewhere = DownloadError::Elsewhere { host: "h".into() };
            assert_eq!(said(elsewhere, known(PLAIN)), ("miss", FailureKind::BlockedHost));
        }
    }

    #[test]
    fn an_error_of_the_portal_is_the_files_own_once_other_files_have_come() {
        let given = |circumstances| Circumstances { are_files_given: true, ..circumstances };
        assert_eq!(said(answered(500), PLAIN), ("postpone", FailureKind::SiteDown));
        assert_eq!(said(answered(500), LAST), ("stop", FailureKind::SiteDown));
        assert_eq!(said(answered(500), given(LAST)), ("miss", FailureKind::DownloadCorrupt));
        let row = Circumstances { server_errors: MAX_SERVER_ERRORS, ..PLAIN };
        assert_eq!(said(answered(503), row), ("stop", FailureKind::SiteDown));
        assert_eq!(said(answered(503), given(row)), ("postpone", FailureKind::SiteDown));
    }

    #[test]
    fn a_portal_that_asks_for_fewer_requests_is_left_alone_unless_one_file_alone_says_so_each_time() {
        assert_eq!(said(answered(429), LAST), ("stop", FailureKind::Throttled));
        let again = |throttled_alone| Circumstances { throttled_alone, ..PLAIN };
        assert_eq!(said(answered(429), again(MAX_THROTTLED - 1)), ("stop", FailureKind::Throttled));
        assert_eq!(said(answered(429), again(MAX_THROTTLED)), ("miss", FailureKind::DownloadCorrupt));
    }

    #[test]
    fn a_file_that_had_most_of_the_time_is_too_large_and_one_that_had_little_is_tried_again() {
        assert_eq!(said(out_of_time(), PLAIN), ("postpone", FailureKind::DownloadStalled));
        assert_eq!(said(out_of_time(), LAST), ("miss", FailureKind::DownloadStalled));
        let alone = Circumstances { can_have_more_time: false, had_most_time: true, ..PLAIN };
        assert_eq!(said(out_of_time(), alone), ("miss", FailureKind::TooLarge));
    }

    #[test]
    fn what_is_wrong_with_one_file_never_costs_the_others() {
        let of_the_file = [
            DownloadError::Cut,
            DownloadError::Refused,
            DownloadError::NotStarted { after: Duration::ZERO, is_settled: true },
            DownloadError::TooSlow { came: 1, after: Duration::ZERO },
            DownloadError::Session(SessionError::BlockedHost { host: "10.0.0.1".into() }),
            answered(403),
            answered(404),
            DownloadError::TooLarge { limit: 1, setting: "file_max_size" },
        ];
        for error in of_the_file {
            assert_eq!(said(error, PLAIN).0, "miss");
        }
        for error in [answered(429), DownloadError::Interrupted, SessionError::Lost(String::new()).into()] {
            assert_eq!(said(error, PLAIN).0, "stop");
        }
    }
}
