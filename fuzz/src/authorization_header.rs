//! Any `Authorization` header: the inner service is reached by one good token and by nothing else.
//!
//! The input is the field lines, separated by line feeds. A byte from 1 to 8 stands for many of the byte before it, so
//! that a short input makes a long header.

use std::sync::OnceLock;
use std::time::SystemTime;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use tower_bearer::error::VerifyErrorKind;
use tower_bearer::verifier::{StaticTokens, Verdict};
use tower_bearer::{AccessToken, AuthLayer, BearerToken, TokenVerifier};
use tower_layer::Layer;

use crate::service::{Answer, Door, Inner, ask, door};
use crate::{lab, logs};

/// Has every kind of character that a token may have.
pub const GOOD: &str = "Good.token-1_2~3+4/5==";
const LONGEST: usize = 16 * 1024;
const MOST_LINES: usize = 8;
/// Of one line: some more than a token may have.
const MOST_BYTES: usize = 20 * 1024;

/// What a header is, by an own reading of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reading {
    /// No bearer token at all.
    Missing,
    /// Something else than one credential.
    Malformed,
    /// One token; whether it is by the grammar, and whether it is the good one.
    Token { is_token68: bool, is_good: bool },
}

struct Doors {
    /// Know the good token: at once, or by asking.
    known: Door<StaticTokens>,
    asked: Door<Asked>,
    /// Lets every token in that it is asked about.
    anybody: Door<Anybody>,
    /// Needs no token.
    optional: Door<Asked>,
}

/// Knows the good token, and has to be waited for.
#[derive(Clone, Copy)]
struct Asked;

/// Accepts whatever it is asked about, which is always a token by the grammar.
#[derive(Clone, Copy)]
struct Anybody;

impl TokenVerifier for Asked {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        if token.as_str() == GOOD { Ok(alice()) } else { Err(VerifyErrorKind::Inactive.into()) }
    }
}

impl TokenVerifier for Anybody {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        assert!(is_token68(token.as_bytes()), "asked about {:?}", token.as_str());
        Ok(alice())
    }

    fn verify_now(&self, _: &BearerToken, _: SystemTime) -> Option<Verdict> {
        None
    }
}

fn alice() -> AccessToken {
    AccessToken::for_tests("alice", "read")
}

fn doors() -> &'static Doors {
    static DOORS: OnceLock<Doors> = OnceLock::new();
    DOORS.get_or_init(|| {
        logs::listen(&[GOOD]);
        let optional = AuthLayer::builder(Asked).required_scopes(["read"]).optional().strip_authorization();
        Doors {
            known: door(StaticTokens::for_tests([(GOOD, alice())])),
            asked: door(Asked),
            anybody: door(Anybody),
            optional: optional.build().expect("settings that make sense").layer(Inner),
        }
    })
}

pub fn check(input: &[u8]) {
    let Some(lines) = lines(input) else { return };
    let values: Option<Vec<HeaderValue>> =
        lines.iter().map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let Some(values) = values else { return };
    let reading = read(&lines);
    let doors = doors();
    let is_good = matches!(reading, Reading::Token { is_good: true, .. });
    let is_token68 = matches!(reading, Reading::Token { is_token68: true, .. });
    let asked = [Asking::AtOnce, Asking::Waiting, Asking::Anybody, Asking::Optional];
    let (answer, is_let_in) = match lab::one_of(&asked, input) {
        Asking::AtOnce => (ask(&doors.known, values.clone()), is_good),
        Asking::Waiting => (ask(&doors.asked, values.clone()), is_good),
        Asking::Anybody => (ask(&doors.anybody, values.clone()), is_token68),
        Asking::Optional => {
            let answer = ask(&doors.optional, values);
            assert_answered(&answer, reading, is_good || reading == Reading::Missing);
            if let Some(reached) = answer.reached {
                assert_eq!(reached.token.is_some(), is_good, "a token where there is none");
                assert!(!reached.headers.contains_key(AUTHORIZATION), "the header was to be removed");
            }
            return;
        }
    };
    assert_answered(&answer, reading, is_let_in);
    assert_forwarded(&answer, &values);
}

/// Through which of the doors.
#[derive(Clone, Copy)]
enum Asking {
    Anybody,
    AtOnce,
    Optional,
    Waiting,
}

fn assert_answered(answer: &Answer, reading: Reading, is_let_in: bool) {
    match reading {
        _ if is_let_in => assert_eq!(answer.status, 200, "{reading:?}"),
        Reading::Missing => answer.assert_rejected(401, None),
        Reading::Malformed => answer.assert_rejected(400, Some("invalid_request")),
        Reading::Token { .. } => answer.assert_rejected(401, Some("invalid_token")),
    }
}

/// Who is let in comes with an access token, and with the header as it was, which nobody prints.
fn assert_forwarded(answer: &Answer, values: &[HeaderValue]) {
    let Some(reached) = &answer.reached else { return };
    assert_eq!(reached.token.as_ref().and_then(AccessToken::subject), Some("alice"));
    let mut forwarded = reached.headers.get_all(AUTHORIZATION).iter();
    let own = forwarded.next().expect("the header stays");
    assert!(own.is_sensitive() && forwarded.next().is_none() && values == [own.clone()]);
}

/// The field lines that an input stands for. None: they are too many.
fn lines(input: &[u8]) -> Option<Vec<Vec<u8>>> {
    if input.is_empty() {
        return Some(Vec::new());
    }
    let mut lines = vec![Vec::new()];
    for &byte in input {
        let line = lines.last_mut()?;
        match byte {
            b'\n' => lines.push(Vec::new()),
            1..=8 => {
                let (last, length) = (*line.last()?, line.len() + (1 << (2 * byte)));
                if length > MOST_BYTES {
                    return None;
                }
                line.resize(length, last);
            }
            other => line.push(other),
        }
    }
    (lines.len() <= MOST_LINES).then_some(lines)
}

fn read(lines: &[Vec<u8>]) -> Reading {
    let [line] = lines else {
        return if lines.is_empty() { Reading::Missing } else { Reading::Malformed };
    };
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let credentials = trim(line, is_blank);
    let end = credentials.iter().position(is_blank).unwrap_or(credentials.len());
    let (scheme, rest) = credentials.split_at(end);
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = &rest[spaces..];
    if credentials.is_empty() {
        return Reading::Malformed;
    }
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Reading::Missing;
    }
    if spaces == 0 || token.is_empty() || token[0] == b'\t' || token.len() > LONGEST {
        return Reading::Malformed;
    }
    let is_token68 = is_token68(token);
    // A list, or something after the token.
    if !is_token68 && token.iter().any(|byte| b" \t,".contains(byte)) {
        return Reading::Malformed;
    }
    Reading::Token { is_token68, is_good: token == GOOD.as_bytes() }
}

/// What is between the bytes that are left out at both ends.
fn trim(text: &[u8], is_out: impl Fn(&u8) -> bool) -> &[u8] {
    let start = text.iter().take_while(|byte| is_out(byte)).count();
    let end = text[start..].iter().rev().take_while(|byte| is_out(byte)).count();
    &text[start..text.len() - end]
}

/// RFC 9110 §11.2.
fn is_token68(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let (body, _) = text.split_at(text.len() - padding);
    !body.is_empty() && body.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte))
}
