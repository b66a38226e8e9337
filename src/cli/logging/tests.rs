use std::sync::Mutex;

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn options() -> LogOptions {
    LogOptions { is_quiet: false, verbosity: 0, has_bars: false, has_colours: false, file: None, secrets: Vec::new() }
}

/// The texts of both logs after `say`: terminal and file.
fn logged(options: &LogOptions, wish: Option<&str>, say: impl FnOnce()) -> (String, String) {
    let (terminal, file) = (Sink::default(), Sink::default());
    let scrub = Arc::new(LogRedactor::new(&options.secrets));
    let (to_terminal, to_scrub) = (terminal.clone(), scrub.clone());
    let writer = move || to_scrub.over(to_terminal.clone());
    let subscriber = subscriber(options, wish, writer, Some(structured(scrub.over(file.clone())))).unwrap();
    tracing::subscriber::with_default(subscriber, say);
    (terminal.text(), file.text())
}

#[test]
fn both_logs_get_the_same_event_and_the_file_keeps_its_fields() {
    let (terminal, file) = logged(&options(), None, || {
        let span = tracing::info_span!("attempt", worker = 2, po = "PO7");
        let _entered = span.enter();
        tracing::info!(files = 3_u64, target = "odd name", ok = true, "order {} settled", "PO7");
    });
    assert!(terminal.contains("order PO7 settled") && terminal.contains("files=3"), "{terminal}");
    let line: serde_json::Value = serde_json::from_str(file.trim()).unwrap();
    assert_eq!(line["message"], "order PO7 settled");
    assert_eq!((&line["files"], &line["worker"], &line["po"]), (&3.into(), &2.into(), &"PO7".into()));
    assert_eq!((&line["level"], &line["ok"], &line["target_"]), (&"INFO".into(), &true.into(), &"odd name".into()));
    assert!(line["target"].as_str().unwrap().starts_with(OURS), "{line}");
    assert!(line["timestamp"].is_u64());
}

#[test]
fn libraries_below_are_never_heard_beyond_warnings() {
    for wish in [None, Some("trace"), Some("fantoccini=trace,hyper=trace,warn")] {
        let loud = LogOptions { verbosity: 2, ..options() };
        let (terminal, file) = logged(&loud, wish, || {
            tracing::debug!(target: "fantoccini::session", body = "user[password]=hunter2", "sent");
            tracing::info!(target: "hyper::proto", "cookie: x");
            tracing::trace!(target: "coupa_batchers", "not us");
            tracing::warn!(target: "hyper::proto", "connection closed");
        });
        for text in [terminal, file] {
            assert!(!text.contains("hunter2") && !text.contains("cookie") && !text.contains("not us"), "{text}");
            assert!(text.contains("connection closed"), "{text}");
        }
    }
}

#[test]
fn a_secret_is_blotted_out_in_every_spelling() {
    let secret = "p\"ä ss&wörd".to_owned();
    let guarded = LogOptions { secrets: vec![secret.clone(), "abc".to_owned()], ..options() };
    let (terminal, file) = logged(&guarded, None, || {
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        tracing::warn!(debug = ?secret, plain = %secret, "sent {form}, abc");
    });
    for text in [terminal, file] {
        assert!(text.contains("[secret]") && text.contains("abc"), "{text}");
        assert!(!text.contains("wörd") && !text.contains("w%C3%B6rd"), "{text}");
    }
}

#[test]
fn bars_and_quiet_leave_the_good_news_out() {
    let say = || {
        tracing::info!("good");
        tracing::warn!("odd");
        tracing::error!("bad");
    };
    let (terminal, file) = logged(&LogOptions { has_bars: true, ..options() }, None, say);
    assert!(!terminal.contains("good") && terminal.contains("odd") && file.contains("good"));
    let (terminal, file) = logged(&LogOptions { is_quiet: true, ..options() }, None, say);
    assert!(!terminal.contains("odd") && terminal.contains("bad") && file.contains("odd"));
}

#[test]
fn a_filter_that_cannot_be_understood_is_refused() {
    let refused = subscriber(&options(), Some("coupa_batch=loud=er"), io::sink, None).err().unwrap();
    assert!(refused.contains(VARIABLE), "{refused}");
}

#[test]
fn a_log_file_is_appended_to_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/coupa-batch.log");
    for line in ["one\n", "two\n"] {
        open(&path).unwrap().write_all(line.as_bytes()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777,
        0o600
    );
    assert!(open(folder.path()).unwrap_err().contains("--log-file"));
}
