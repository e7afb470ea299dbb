//! What the labelled tokens, headers and key sets are answered with.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use crate::app::{App, Head};
use crate::loopback::Loopback;
use crate::markdown::{ids, table};
use crate::peers::{Keys, Lack, Peer, Setup};
use crate::vectors::{Expect, File, Level, Vector};

const PROBE: &str = "A01-rs256";
const CONTENDERS: [Peer; 7] = [
    Peer::Ours,
    Peer::OursCached,
    Peer::OTHERS[0],
    Peer::OTHERS[1],
    Peer::OTHERS[2],
    Peer::OTHERS[3],
    Peer::OTHERS[4],
];

const MUST: &str = "must be rejected, accepted";
const POLICY: &str = "policy, accepted";
const USED: &str = "bad one used";
const POLICY_USED: &str = "policy: bad one used";

/// Longer lists of errors are left out.
const MOST_LISTED: usize = 8;

/// What a key set that takes long to read is given.
const A_WHILE: Duration = Duration::from_secs(1);

/// The answer of a service that does not start, and that of one that panics.
const DOES_NOT_START: u16 = 0;
const PANIC: u16 = 1;

#[derive(Default)]
struct Tally {
    asked: usize,
    not_asked: usize,
    served: usize,
    refused: Vec<String>,
    must: Vec<String>,
    policy: Vec<String>,
    broken: Vec<String>,
    /// Key sets alone: the client is told that its token is bad.
    blamed: Vec<String>,
    not_started: Vec<String>,
}

impl Tally {
    fn take(&mut self, id: &str, expect: Expect, level: Level, status: u16) {
        let id = || id.to_owned();
        self.asked += 1;
        match (expect, status) {
            (Expect::Accept, 200) => self.served += 1,
            (Expect::Accept, _) => self.refused.push(id()),
            (_, 200) if level == Level::Must => self.must.push(id()),
            (_, 200) => self.policy.push(id()),
            (Expect::Unavailable, 400..500) => self.blamed.push(id()),
            _ => {}
        }
        match status {
            DOES_NOT_START => self.not_started.push(id()),
            PANIC => self.broken.push(format!("{} (panic)", id())),
            503 if expect == Expect::Unavailable => {}
            500.. => self.broken.push(format!("{} ({status})", id())),
            _ => {}
        }
    }

    fn figures(&self) -> Vec<String> {
        let lists = [&self.refused, &self.must, &self.policy, &self.broken];
        let figures = [self.asked, self.not_asked, self.served].into_iter();
        figures.chain(lists.map(Vec::len)).map(|figure| figure.to_string()).collect()
    }

    /// How many answers are not those that the labels ask for.
    fn wrong(&self) -> usize {
        let lists = [&self.refused, &self.must, &self.policy, &self.broken, &self.blamed, &self.not_started];
        lists.map(Vec::len).iter().sum::<usize>() + usize::from(self.asked == 0)
    }

    /// The lists that are not empty.
    fn lists(&self, name: &str, must: &'static str, policy: &'static str) -> Option<String> {
        // What somebody answers with a 500 as a rule is counted, not listed.
        let none = Vec::new();
        let lists = [
            ("good ones refused", &self.refused),
            (must, &self.must),
            (policy, &self.policy),
            ("5xx or panic", if self.broken.len() <= MOST_LISTED { &self.broken } else { &none }),
            ("the client is blamed", &self.blamed),
            ("does not start", &self.not_started),
        ];
        let lists = lists.iter().filter(|(_, own)| !own.is_empty());
        let text = lists.map(|(what, own)| format!("{what}: {}", ids(own))).collect::<Vec<_>>().join("; ");
        (!text.is_empty()).then(|| format!("- {name}: {text}\n"))
    }
}

/// The tables, and how many verdicts of this crate are wrong.
pub(crate) async fn run() -> (String, usize) {
    // A panic is an answer here.
    std::panic::set_hook(Box::new(|_| {}));
    let file = File::read();
    let head =
        ["", "asked", "not asked", "good ones served", "good ones refused", MUST, POLICY, "5xx or panic"];
    let document_head = [
        "",
        "asked",
        "good one served",
        USED,
        POLICY_USED,
        "503",
        "the client is blamed (4xx)",
        "does not start",
        "500 or panic",
    ];
    let (mut tokens, mut headers, mut documents) = (Vec::new(), Vec::new(), Vec::new());
    let mut lists = [String::new(), String::new(), String::new()];
    let mut wrong = 0;
    for peer in CONTENDERS {
        let name = match peer {
            Peer::Ours | Peer::OursCached => format!("**{}**", peer.name()),
            _ => peer.name().to_owned(),
        };
        let row = |figures: Vec<String>| std::iter::once(name.clone()).chain(figures).collect::<Vec<_>>();
        let mut own = 0;
        let tally = judge_tokens(peer, &file).await;
        own += tally.wrong();
        tokens.push(row(tally.figures()));
        lists[0] += &tally.lists(peer.name(), MUST, POLICY).unwrap_or_default();
        let tally = judge_headers(peer, &file).await;
        own += tally.wrong();
        headers.push(row(tally.figures()));
        lists[1] += &tally.lists(peer.name(), MUST, POLICY).unwrap_or_default();
        let tally = judge_documents(peer, &file).await;
        own += tally.wrong();
        documents.push(row(document_figures(&tally)));
        lists[2] += &tally.lists(peer.name(), USED, POLICY_USED).unwrap_or_default();
        if matches!(peer, Peer::Ours | Peer::OursCached) {
            wrong += own;
        }
    }
    let _ = std::panic::take_hook();
    let text = format!(
        "### Verdicts\n\nThe {} labelled tokens of `tests/vectors`, each presented twice.\n\n{}\n{}\n\
         The {} `Authorization` headers.\n\n{}\n{}\n\
         {} answers of a key set's address to a service that knows no keys yet, and a good token.\n\n{}\n{}",
        file.vectors.len(),
        table(&head, &tokens),
        lists[0],
        file.headers.len(),
        table(&head, &headers),
        lists[1],
        file.documents.len(),
        table(&document_head, &documents),
        lists[2],
    );
    (text, wrong)
}

fn document_figures(tally: &Tally) -> Vec<String> {
    let lists = [&tally.must, &tally.policy, &tally.blamed, &tally.not_started, &tally.broken];
    let [must, policy, blamed, not_started, broken] = lists.map(Vec::len);
    let unavailable =
        tally.asked - tally.served - tally.refused.len() - must - policy - blamed - not_started - broken;
    [tally.asked, tally.served, must, policy, unavailable, blamed, not_started, broken]
        .map(|figure| figure.to_string())
        .to_vec()
}

/// The status, of two attempts the worse.
async fn ask(app: &Result<Box<dyn App>, Lack>, head: &Head, expect: Expect) -> u16 {
    let Ok(app) = app else { return DOES_NOT_START };
    let first = tokio::spawn(app.send(head)).await.unwrap_or(PANIC);
    let second = tokio::spawn(app.send(head)).await.unwrap_or(PANIC);
    match [first, second] {
        [PANIC, _] | [_, PANIC] => PANIC,
        [200, other] | [other, 200] if expect == Expect::Accept => other,
        [200, _] | [_, 200] => 200,
        [first, _] => first,
    }
}

async fn judge_tokens(peer: Peer, file: &File) -> Tally {
    let provider = Loopback::start(Duration::ZERO);
    let (mut tally, mut apps) = (Tally::default(), HashMap::new());
    for vector in &file.vectors {
        let Some(head) = Head::presenting(&vector.token).filter(|_| can_be_asked(peer, vector)) else {
            tally.not_asked += 1;
            continue;
        };
        let key = (&vector.config.name, vector.has_own_time().then_some(&vector.id));
        let app = match apps.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(peer.app(&file.setup(vector, &provider)).await),
        };
        match app {
            Err(Lack::Setting(_)) => tally.not_asked += 1,
            app => tally.take(&vector.id, vector.expect, vector.level, ask(app, &head, vector.expect).await),
        }
    }
    tally
}

fn can_be_asked(peer: Peer, vector: &Vector) -> bool {
    peer.has_clock() || !vector.has_own_time()
}

async fn judge_headers(peer: Peer, file: &File) -> Tally {
    let provider = Loopback::start(Duration::ZERO);
    let mut tally = Tally::default();
    let app = peer.app(&file.setup(file.vector(PROBE), &provider)).await;
    for vector in &file.headers {
        let status = ask(&app, &vector.head(), vector.expect).await;
        // Where more than one answer is right, any of them is.
        let status = match vector.status.contains(&status) && vector.expect == Expect::Accept {
            true => 200,
            false => status,
        };
        tally.take(&vector.id, vector.expect, vector.level, status);
    }
    tally
}

async fn judge_documents(peer: Peer, file: &File) -> Tally {
    let provider = Loopback::start(Duration::ZERO);
    let mut tally = Tally::default();
    let probe = file.vector(PROBE);
    let head = Head::presenting(&probe.token).unwrap();
    // Where a redirect leads to.
    provider.set("/evil-jwks", file.main_keys());
    for document in &file.documents {
        let url = provider.set(&format!("/{}", document.id), file.answer(document));
        let setup = file.setup(probe, &provider);
        let issuers =
            setup.issuers.iter().map(|(issuer, _)| (issuer.clone(), Keys::Url(url.clone()))).collect();
        let app = peer.app(&Setup { issuers, ..setup }).await;
        let mut status = ask(&app, &head, document.expect).await;
        if ![200, DOES_NOT_START].contains(&status) {
            tokio::time::sleep(A_WHILE).await;
            if ask(&app, &head, document.expect).await == 200 {
                status = 200;
            }
        }
        tally.take(&document.id, document.expect, document.level, status);
    }
    tally
}
