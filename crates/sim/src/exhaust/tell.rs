//! The path to a broken state in words, in the form of the world's transcripts but without times, of which there are none.

use history::Function;

use super::cluster::{Cluster, Happening, State, Step};
use super::history::{End, History};
use super::players::Cue;

/// A step, and what came of it.
pub(super) fn step(cluster: &Cluster, before: &State, step: Step, after: &State) -> Vec<String> {
    let Step::Cue(Happening { who, cue }) = step else {
        let Step::Lose(place) = step else { return Vec::new() };
        return vec![format!("{}  (lost)", cluster.players.describe(cluster.mail_at(before, place)))];
    };
    let address = cluster.address(who);
    let first = match cue {
        Cue::Deliver(mail) => cluster.players.describe(mail),
        Cue::Timer(timer) => format!("{address}: timer {} fires", timer.0),
        Cue::Invoke(operation) => format!("{address} asks {}", request(cluster, who, operation)),
        Cue::Abandon(operation) => format!("{address} info {}: timeout", request(cluster, who, operation)),
        Cue::Sync => format!("{address}: its writes are durable"),
        Cue::Crash(kept) => format!("{address} crashes, {kept} unsynced writes stay"),
        Cue::Restart => format!("{address} restarts"),
    };
    let mut lines = vec![first];
    lines.extend(cluster.players.tell(who, cluster.local(before, who), cue));
    if let Some(client) = who.checked_sub(cluster.scope.servers) {
        lines.extend(ends(cluster, client, cluster.history(before), cluster.history(after)));
    }
    lines
}

/// The operations of a client that ended between two histories.
fn ends(cluster: &Cluster, client: usize, before: &History, after: &History) -> Vec<String> {
    let entries = after.clients[client].iter().enumerate();
    let was = |place: usize| before.clients[client].get(place).map_or(End::Open, |entry| entry.end);
    let news = entries.filter(|(place, entry)| entry.end != End::Open && was(*place) != entry.end);
    news.map(|(place, entry)| format!("c{} {}", client + 1, operation(cluster, client, place as u32, entry.end)))
        .collect()
}

/// All operations of a history, client by client.
pub(super) fn operations(cluster: &Cluster, history: &History) -> String {
    let told =
        history.clients.iter().enumerate().filter(|(_, entries)| !entries.is_empty()).map(|(client, entries)| {
            let ends = entries.iter().enumerate();
            let ends: Vec<String> =
                ends.map(|(place, entry)| operation(cluster, client, place as u32, entry.end)).collect();
            format!("c{}: {}", client + 1, ends.join(", "))
        });
    told.collect::<Vec<_>>().join("; ")
}

fn operation(cluster: &Cluster, client: usize, place: u32, end: End) -> String {
    let asked = request(cluster, cluster.scope.servers + client, place);
    let reads = cluster.scope.clients[client][place as usize].0.function == Function::Read;
    match end {
        End::Open => format!("open {asked}"),
        End::Unknown => format!("info {asked}"),
        End::Failed => format!("fail {asked}"),
        End::Ok(history::NIL) if reads => format!("ok {asked} → nothing"),
        End::Ok(result) if reads => format!("ok {asked} → {result}"),
        End::Ok(_) => format!("ok {asked}"),
    }
}

fn request(cluster: &Cluster, who: usize, operation: u32) -> String {
    crate::operations::told_request(&cluster.scope.clients[who - cluster.scope.servers][operation as usize].0)
}
