//! Whatever the crate logs is on one line, bounded, and without secrets.

use std::fmt::{Debug, Write};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

/// The longest value of a field.
const LONGEST: usize = 512;

/// Listens for as long as the process lives. What is secret must not be in any field.
pub fn listen(secrets: &'static [&'static str]) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(Listener { secrets }).expect("nobody else listens");
    });
}

struct Listener {
    secrets: &'static [&'static str],
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_bearer")
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut Reader { secrets: self.secrets, text: String::new() });
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Reader { secrets: self.secrets, text: String::new() });
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Reader {
    secrets: &'static [&'static str],
    text: String,
}

impl Reader {
    fn read(&self, field: &Field, value: &str) {
        assert!(!value.contains(char::is_control), "{field} has more than one line: {value:?}");
        assert!(value.len() <= LONGEST, "{field} is long: {value:?}");
        assert!(!self.secrets.iter().any(|secret| value.contains(secret)), "{field} has a secret: {value:?}");
    }
}

impl Visit for Reader {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.read(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        write!(text, "{value:?}").expect("a text");
        self.read(field, &text);
        self.text = text;
    }
}
