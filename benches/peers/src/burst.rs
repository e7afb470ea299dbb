//! A thousand requests at once: how often is the provider asked, and what do they answer?

use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use tower_bearer::Algorithm;
use tower_bearer::testing::TestIssuer;

use crate::app::{App, Head};
use crate::loopback::{Answer, Loopback};
use crate::markdown::{Notes, table};
use crate::material::{API, setup, token};
use crate::peers::{self, FirstRequest, Lack, Peer};

const CALLERS: usize = 1_000;
const DELAY: Duration = Duration::from_millis(50);
const ISSUER: &str = "https://issuer.example.com";

const AT_START: &str = "axum-jwt-auth and tower-mcp fetch the keys before there is a service, and do not start without \
                        them; tower-oauth2-resource-server fetches them in a task that nobody waits for.";

/// What came of a burst.
struct Outcome {
    asked: usize,
    right: usize,
    /// Other answers, with how often each was given. 0 stands for a panic.
    wrong: Vec<(u16, usize)>,
    took: Duration,
}

const CONTENDERS: [Peer; 7] = [
    Peer::OursCached,
    Peer::Ours,
    Peer::OTHERS[0],
    Peer::OTHERS[1],
    Peer::OTHERS[2],
    Peer::OTHERS[3],
    Peer::OTHERS[4],
];

pub(crate) async fn run() -> String {
    let issuer = TestIssuer::start().await.unwrap();
    let (mut first, mut unknown, mut opaque) = (Vec::new(), Vec::new(), Vec::new());
    let mut notes = [Notes::default(), Notes::default()];
    for peer in CONTENDERS {
        first.push(row(peer, first_requests(peer, &issuer).await, &mut notes[0]));
        unknown.push(row(peer, unknown_key(peer, &issuer).await, &mut notes[0]));
        if peer != Peer::Ours {
            opaque.push(row(peer, opaque_tokens(peer).await, &mut notes[1]));
        }
    }
    let head = ["", "upstream calls", "right answers", "other answers", "last answer after"];
    format!(
        "### {CALLERS} requests at once\n\nThe first ones, with one token; the key set takes {} ms. \
         Right is 200.\n\n{}\n{AT_START}\n\nWith the keys known, one token that names an unknown key. Right is 401.\n\n{}\n{}\n\
         An opaque token, and an introspection endpoint that takes {} ms. Right is 200.\n\n{}\n{}\n",
        DELAY.as_millis(),
        table(&head, &first),
        table(&head, &unknown),
        notes[0].text(),
        DELAY.as_millis(),
        table(&head, &opaque),
        notes[1].text(),
    )
}

fn row(peer: Peer, outcome: Result<Outcome, Lack>, notes: &mut Notes) -> Vec<String> {
    let name = match peer {
        Peer::Ours | Peer::OursCached => format!("**{}**", peer.name()),
        _ => peer.name().to_owned(),
    };
    match outcome {
        Ok(outcome) => {
            let kind = |(status, count): &(u16, usize)| match status {
                0 => format!("{count} × panic"),
                status => format!("{count} × {status}"),
            };
            let wrong = outcome.wrong.iter().map(kind).collect::<Vec<_>>().join(", ");
            let wrong = if wrong.is_empty() { "0".to_owned() } else { wrong };
            let took = format!("{} ms", outcome.took.as_millis());
            vec![name, outcome.asked.to_string(), outcome.right.to_string(), wrong, took]
        }
        Err(Lack::Setting(why)) => dashes(name, &notes.mark(why)),
        Err(Lack::Start(error)) => {
            dashes(name, &notes.mark(&format!("{}: does not start ({error})", peer.name())))
        }
    }
}

fn dashes(name: String, mark: &str) -> Vec<String> {
    vec![name, mark.to_owned(), String::new(), String::new(), String::new()]
}

async fn burst(app: &dyn App, head: &Head, right: u16) -> Outcome {
    let started_at = Instant::now();
    let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(app.send(head))).collect();
    let mut outcome = Outcome { asked: 0, right: 0, wrong: Vec::new(), took: Duration::ZERO };
    for caller in callers {
        let status = caller.await.unwrap_or(0);
        let known = outcome.wrong.iter_mut().find(|(own, _)| *own == status);
        match known {
            _ if status == right => outcome.right += 1,
            Some((_, count)) => *count += 1,
            None => outcome.wrong.push((status, 1)),
        }
    }
    outcome.took = started_at.elapsed();
    outcome
}

async fn first_requests(peer: Peer, issuer: &TestIssuer) -> Result<Outcome, Lack> {
    let provider = Loopback::start(DELAY);
    let setup = setup(issuer, Algorithm::Rs256, &provider);
    let app = peer.app(&peers::Setup { first_request: FirstRequest::AtOnce, ..setup }).await?;
    let head = Head::presenting(&token(issuer, Algorithm::Rs256, None)).unwrap();
    let outcome = burst(&*app, &head, 200).await;
    Ok(Outcome { asked: provider.requests("/keys/RS256"), ..outcome })
}

async fn unknown_key(peer: Peer, issuer: &TestIssuer) -> Result<Outcome, Lack> {
    let provider = Loopback::start(DELAY);
    let app = peer.app(&setup(issuer, Algorithm::Rs256, &provider)).await?;
    let good = Head::presenting(&token(issuer, Algorithm::Rs256, None)).unwrap();
    assert_eq!(app.send(&good).await, 200, "{}", peer.name());
    let before = provider.requests("/keys/RS256");
    let head = Head::presenting(&token(issuer, Algorithm::Rs256, Some("unknown-1"))).unwrap();
    let outcome = burst(&*app, &head, 401).await;
    Ok(Outcome { asked: provider.requests("/keys/RS256") - before, ..outcome })
}

async fn opaque_tokens(peer: Peer) -> Result<Outcome, Lack> {
    let provider = Loopback::start(DELAY);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let answer = json!({
        "active": true, "iss": ISSUER, "aud": API, "sub": "alice", "client_id": "cli", "scope": "mcp:read",
        "token_type": "Bearer", "iat": now, "exp": now + 300,
    });
    let endpoint = provider.set("/introspect", Answer::json(answer.to_string()));
    let app = match peer {
        Peer::OursCached => peers::ours_introspecting(ISSUER, API, &endpoint),
        Peer::TowerMcp => peers::tower_mcp_introspecting(ISSUER, API, &endpoint),
        _ => return Err(Lack::Setting("no opaque tokens")),
    };
    let head = Head::presenting("2YotnFZFEjr1zCsicMWpAA2YotnFZFEjr1zCsicMWpAA").unwrap();
    let outcome = burst(&*app, &head, 200).await;
    Ok(Outcome { asked: provider.requests("/introspect"), ..outcome })
}
