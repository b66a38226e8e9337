//! Events of `tracing`, with the fields of their spans, as records of the `log` crate.

use std::fmt;
use std::sync::Arc;

use log::Record;
use log::kv::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Field names that the sink uses itself.
const TAKEN: [&str; 7] = ["level", "message", "module", "target", "timestamp", "file", "line"];

/// A sink of the `log` crate.
pub(crate) type Logger = Arc<dyn log::Log>;

/// Hands each event to a `log` logger.
pub(crate) struct JsonLines {
    logger: Logger,
}

impl JsonLines {
    pub(crate) fn new(logger: Logger) -> Self {
        Self { logger }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &SpanRecord<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let mut pairs = Vec::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                pairs.extend(fields.pairs.iter().cloned());
            }
        }
        pairs.extend(own.pairs); // the last one of a name wins, as the nearest
        let pairs: Vec<_> = pairs.iter().map(|(name, what)| (name.as_str(), what.to_value())).collect();
        let meta = event.metadata();
        self.logger.log(
            &Record::builder()
                .level(level(*meta.level()))
                .target(meta.target())
                .module_path(meta.module_path())
                .file(meta.file())
                .line(meta.line())
                .args(format_args!("{}", own.message))
                .key_values(&pairs.as_slice())
                .build(),
        );
    }
}

fn level(of: Level) -> log::Level {
    match of {
        Level::ERROR => log::Level::Error,
        Level::WARN => log::Level::Warn,
        Level::INFO => log::Level::Info,
        Level::DEBUG => log::Level::Debug,
        Level::TRACE => log::Level::Trace,
    }
}

/// The fields of an event or a span.
#[derive(Default)]
struct Fields {
    message: String,
    pairs: Vec<(String, FieldValue)>,
}

#[derive(Clone)]
enum FieldValue {
    Text(String),
    Signed(i64),
    Unsigned(u64),
    Number(f64),
    Truth(bool),
}

impl FieldValue {
    fn to_value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::from(text.as_str()),
            Self::Signed(number) => Value::from(*number),
            Self::Unsigned(number) => Value::from(*number),
            Self::Number(number) => Value::from(*number),
            Self::Truth(truth) => Value::from(*truth),
        }
    }
}

impl Fields {
    fn put(&mut self, field: &Field, what: FieldValue) {
        let name = field.name();
        let name = if TAKEN.contains(&name) { format!("{name}_") } else { name.to_owned() };
        self.pairs.push((name, what));
    }

    fn put_text(&mut self, field: &Field, text: String) {
        if field.name() == "message" { self.message = text } else { self.put(field, FieldValue::Text(text)) }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, FieldValue::Number(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, FieldValue::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, FieldValue::Unsigned(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, FieldValue::Truth(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, format!("{value:?}"));
    }
}

/// Passes on the warnings of crates that use `log`.
pub(crate) struct ForeignLogger(pub(crate) Logger);

impl log::Log for ForeignLogger {
    fn enabled(&self, of: &log::Metadata<'_>) -> bool {
        of.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}
