//! What a provider answers: written down in an input, handed out by a client.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tower_bearer::VerifyError;
use tower_bearer::client::{AnswerFuture, HttpClient, Limits};

/// Between two answers: a byte that is neither in a header nor in JSON.
const SEPARATOR: u8 = 0x0C;

/// Reads answers: a status, header fields, an empty line, a body. A field that cannot be sent is left out. None: a
/// status is none.
pub fn read(input: &[u8]) -> Option<Vec<Response<Bytes>>> {
    input.split(|byte| *byte == SEPARATOR).map(answer).collect()
}

fn answer(text: &[u8]) -> Option<Response<Bytes>> {
    let end = text.windows(2).position(|two| two == b"\n\n");
    let (head, body) = match end {
        Some(end) => (&text[..end], &text[end + 2..]),
        None => (text, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut answer = Response::new(Bytes::copy_from_slice(body));
    *answer.status_mut() = StatusCode::from_bytes(lines.next()?).ok()?;
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            answer.headers_mut().append(name, value);
        }
    }
    Some(answer)
}

/// A client that answers from a list. Beyond its end there is no answer. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    answers: Arc<Mutex<VecDeque<Response<Bytes>>>>,
}

impl Scripted {
    /// What is answered next.
    pub fn answer(&self, answers: impl IntoIterator<Item = Response<Bytes>>) {
        *self.list() = answers.into_iter().collect();
    }

    /// How many answers nobody has asked for.
    pub fn left(&self) -> usize {
        self.list().len()
    }

    fn list(&self) -> MutexGuard<'_, VecDeque<Response<Bytes>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpClient for Scripted {
    fn send(&self, _: Request<Bytes>, _: Limits) -> AnswerFuture<'_> {
        let answer = self.list().pop_front();
        Box::pin(async move { answer.ok_or_else(|| VerifyError::unavailable("no answer")) })
    }
}
