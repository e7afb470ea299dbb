//! What a request with a good token costs: time, allocations and their bytes.

use std::time::Duration;

use axum::body::Body;
use tokio::runtime::Runtime;
use tower_bearer::Algorithm;
use tower_bearer::testing::TestIssuer;

use crate::allocations::Cost;
use crate::app::{App, Head, Inner, Tower};
use crate::loopback::Loopback;
use crate::markdown::{Notes, grouped, micros, table};
use crate::material::{ALGORITHMS, bare_check, setup, token};
use crate::peers::{Lack, Peer};
use crate::rounds::{Candidate, Samples, measure, median, ratio};

/// What a cached hit is to be, in multiples of the fastest peer's speed.
const GOALS: [(Algorithm, f64); 3] =
    [(Algorithm::Rs256, 25.0), (Algorithm::Es256, 50.0), (Algorithm::Hs256, 6.0)];
/// What a verification may take of the bare check.
const BARE_GOAL: (Algorithm, f64) = (Algorithm::Rs256, 1.2);

const BARE_SERVICE: &str = "the bare service";
const BARE_CHECK: &str = "bare signature check";

struct Measured {
    samples: Samples,
    /// None for the check, which is no request.
    cost: Option<Cost>,
}

/// One algorithm, in the order of [`names`].
struct Column {
    algorithm: Algorithm,
    bytes: usize,
    cells: Vec<Result<Measured, String>>,
}

fn names() -> Vec<String> {
    let own = [Peer::Ours, Peer::OursCached].map(|own| format!("**{}**", own.name()));
    let others = Peer::OTHERS.map(|peer| peer.name().to_owned());
    [BARE_SERVICE, BARE_CHECK].map(str::to_owned).into_iter().chain(own).chain(others).collect()
}

const OURS: usize = 2;
const OURS_CACHED: usize = 3;
const FIRST_PEER: usize = 4;

pub(crate) fn run(runtime: &Runtime, rounds: usize) -> String {
    let _guard = runtime.enter();
    let issuer = runtime.block_on(TestIssuer::start()).unwrap();
    let provider = Loopback::start(Duration::ZERO);
    let columns: Vec<Column> =
        ALGORITHMS.iter().map(|algorithm| column(runtime, &issuer, &provider, *algorithm, rounds)).collect();
    format!(
        "### Time\n\nMicroseconds per request, medians of {rounds} rounds; keys known, no network.\n\n{}\n\
         ### Allocations\n\nPer request, and their bytes.\n\n{}\n### What was promised\n\n{}",
        times(&columns),
        allocations(&columns),
        promises(&columns)
    )
}

fn column(
    runtime: &Runtime,
    issuer: &TestIssuer,
    provider: &Loopback,
    algorithm: Algorithm,
    rounds: usize,
) -> Column {
    let token = token(issuer, algorithm, None);
    let head = Head::presenting(&token).unwrap();
    let setup = setup(issuer, algorithm, provider);
    let mut apps: Vec<Result<Box<dyn App>, String>> = vec![Ok(Tower::<_, Body>::boxed(Inner::<Body>::new()))];
    for peer in [Peer::Ours, Peer::OursCached].into_iter().chain(Peer::OTHERS) {
        apps.push(runtime.block_on(async {
            let app = peer.app(&setup).await.map_err(|lack| reason(peer, algorithm, &lack))?;
            match app.send(&head).await {
                200 => Ok(app),
                status => Err(format!("{} answers a good {algorithm} token with {status}", peer.name())),
            }
        }));
    }
    let head = &head;
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for app in apps.iter().flatten() {
        candidates.push(Box::new(move |calls| app.serve(head, calls)));
    }
    candidates.insert(1, bare_check(issuer, algorithm, &token));
    let mut samples = measure(&candidates, rounds).into_iter();
    let mut cells: Vec<Result<Measured, String>> = Vec::new();
    for (index, app) in apps.iter().enumerate() {
        if index == 1 {
            cells.push(Ok(Measured { samples: samples.next().unwrap(), cost: None }));
        }
        cells.push(match app {
            Ok(app) => Ok(Measured { samples: samples.next().unwrap(), cost: Some(app.cost(head)) }),
            Err(reason) => Err(reason.clone()),
        });
    }
    Column { algorithm, bytes: token.len(), cells }
}

fn reason(peer: Peer, algorithm: Algorithm, lack: &Lack) -> String {
    match lack {
        Lack::Setting(why) => format!("{}, {algorithm}: {why}", peer.name()),
        Lack::Start(error) => format!("{}, {algorithm}: does not start ({error})", peer.name()),
    }
}

/// A table with a column for each algorithm, and a row for each contender that has a figure.
fn by_algorithm(columns: &[Column], cell: impl Fn(&Measured) -> Option<String>) -> String {
    let heads: Vec<String> = columns
        .iter()
        .map(|column| format!("{} ({} B)", column.algorithm, grouped(column.bytes as u64)))
        .collect();
    let head: Vec<&str> = std::iter::once("").chain(heads.iter().map(String::as_str)).collect();
    let mut notes = Notes::default();
    let mut rows = Vec::new();
    for (index, name) in names().into_iter().enumerate() {
        let mut row = vec![name];
        for column in columns {
            row.push(match &column.cells[index] {
                Ok(measured) => cell(measured).unwrap_or_default(),
                Err(reason) => notes.mark(reason),
            });
        }
        if row.iter().skip(1).any(|cell| !cell.is_empty()) {
            rows.push(row);
        }
    }
    let notes = notes.text();
    match notes.is_empty() {
        true => table(&head, &rows),
        false => format!("{}\n{notes}\n", table(&head, &rows)),
    }
}

fn times(columns: &[Column]) -> String {
    by_algorithm(columns, |measured| Some(micros(median(&measured.samples))))
}

fn allocations(columns: &[Column]) -> String {
    match cfg!(feature = "allocations") {
        true => by_algorithm(columns, |measured| {
            measured.cost.map(|cost| format!("{} / {}", cost.count, grouped(cost.bytes)))
        }),
        false => "They were not counted in this run.\n".to_owned(),
    }
}

fn promises(columns: &[Column]) -> String {
    let head = [
        "",
        "fastest peer",
        "a hit is faster by",
        "goal",
        "verified ÷ fastest peer (≤ 1)",
        "verified ÷ bare check",
        "goal",
        "allocations: hit, verified, fewest of a peer",
    ];
    let goal = |found: Option<String>| found.unwrap_or_else(|| "–".to_owned());
    let rows: Vec<_> = columns
        .iter()
        .filter_map(|column| {
            let samples = |index: usize| column.cells[index].as_ref().ok().map(|cell| &cell.samples);
            let (bare, ours, cached) = (samples(1)?, samples(OURS)?, samples(OURS_CACHED)?);
            let peers = (FIRST_PEER..column.cells.len()).filter_map(|index| Some((index, samples(index)?)));
            let (fastest, peer) = peers.min_by(|a, b| median(a.1).total_cmp(&median(b.1)))?;
            let faster = ratio(peer, cached);
            let reached = |is_reached: bool| if is_reached { "reached" } else { "**missed**" };
            let own_goal = GOALS.iter().find(|(algorithm, _)| *algorithm == column.algorithm);
            let (to_peer, to_bare) = (ratio(ours, peer), ratio(ours, bare));
            let bare_goal = (BARE_GOAL.0 == column.algorithm).then_some(BARE_GOAL.1);
            Some(vec![
                column.algorithm.to_string(),
                names()[fastest].clone(),
                format!("{faster:.1} ×"),
                goal(own_goal.map(|(_, goal)| format!("≥ {goal:.0}: {}", reached(faster >= *goal)))),
                format!("{to_peer:.3}: {}", reached(to_peer <= 1.0)),
                format!("{to_bare:.3}"),
                goal(bare_goal.map(|goal| format!("≤ {goal:.1}: {}", reached(to_bare <= goal)))),
                fewest(column),
            ])
        })
        .collect();
    table(&head, &rows)
}

fn fewest(column: &Column) -> String {
    if cfg!(not(feature = "allocations")) {
        return "not counted".to_owned();
    }
    let count = |index: usize| Some(column.cells[index].as_ref().ok()?.cost?.count);
    let peers = (FIRST_PEER..column.cells.len()).filter_map(count).min();
    match (count(OURS_CACHED), count(OURS), peers) {
        (Some(cached), Some(ours), Some(peers)) => {
            let verdict = if cached.max(ours) <= peers { "fewest" } else { "**not fewest**" };
            format!("{cached}, {ours}, {peers}: {verdict}")
        }
        _ => "–".to_owned(),
    }
}
