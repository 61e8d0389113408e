//! A hub in miniature: one repository, `o/n`, with faults that a test can switch on.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

/// What the server holds, what it does wrong, and what it was asked.
#[derive(Default)]
pub struct State {
    pub commit: String,
    pub files: BTreeMap<String, Vec<u8>>,
    /// Answers to files that stop after so many bytes; taken from the front, one for each request.
    pub cuts: Vec<usize>,
    /// Whether `Range` is ignored.
    pub no_ranges: bool,
    /// Announce this SHA-256 instead of the true one.
    pub announced: Option<String>,
    /// Answer everything with this status and `x-error-code`.
    pub refusal: Option<(u16, &'static str)>,
    /// Send for the bytes to another server, at this address.
    pub elsewhere: String,
    /// Answer everything with this page.
    pub page: Option<&'static str>,
    /// `PATH`, or `PATH from START`, of each request.
    pub asked: Vec<String>,
    /// The `authorization` header of each request.
    pub tokens: Vec<Option<String>>,
}

/// A running server; it ends with the test's process.
pub struct Server {
    pub address: String,
    pub state: Arc<Mutex<State>>,
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
    sent: usize,
}

impl Server {
    pub fn start(files: &[(&str, &[u8])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let files = files.iter().map(|(name, bytes)| ((*name).into(), (*bytes).into())).collect();
        let state = Arc::new(Mutex::new(State { commit: "a".repeat(40), files, ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &shared);
            }
        });
        Self { address, state }
    }

    /// Changes the state between two pulls.
    pub fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// The requests for files since the last call.
    pub fn asked_files(&self) -> Vec<String> {
        let asked = std::mem::take(&mut self.state.lock().unwrap().asked);
        asked
            .iter()
            .filter_map(|path| path.split_once("/resolve/")?.1.split_once('/'))
            .map(|x| x.1.into())
            .collect()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let Some(path) = lines.first().and_then(|line| line.split(' ').nth(1)) else { return };
    let header = |name: &str| {
        let found = lines
            .iter()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned())
    };
    let start = header("range").map(|range| range["bytes=".len()..range.len() - 1].parse().unwrap());
    let answer = {
        let mut state = state.lock().unwrap();
        state.tokens.push(header("authorization"));
        answer(&mut state, path, start)
    };
    let length = answer.body.len();
    let head = format!("HTTP/1.1 {} X\r\ncontent-length: {length}\r\n{}", answer.status, answer.headers);
    let mut stream = reader.into_inner();
    // The client may have left; that is its business.
    let _ = stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes());
    let _ = stream.write_all(&answer.body[..answer.sent]);
}

fn answer(state: &mut State, path: &str, start: Option<usize>) -> Answer {
    state.asked.push(start.map_or(path.into(), |start| format!("{path} from {start}")));
    if let Some((status, code)) = state.refusal {
        return Answer { status, headers: format!("x-error-code: {code}\r\n"), body: vec![], sent: 0 };
    }
    if let Some(page) = state.page {
        return whole(page.into());
    }
    let (commit, listing) = (state.commit.clone(), format!("/api/models/o/n/tree/{}", state.commit));
    match path {
        "/api/models/o/n/revision/main" => whole(format!("{{\"sha\": \"{commit}\"}}").into()),
        path if path == listing => whole(tree(state).into()),
        path => match path.strip_prefix(&format!("/o/n/resolve/{commit}/")) {
            // As the hub does it: the bytes are elsewhere.
            Some(name) => Answer {
                headers: format!("location: {}/bytes/{commit}/{name}\r\n", state.elsewhere),
                status: 302,
                ..whole(vec![])
            },
            None => bytes(state, path.rsplit('/').next().unwrap(), start),
        },
    }
}

fn whole(body: Vec<u8>) -> Answer {
    Answer { status: 200, headers: String::new(), sent: body.len(), body }
}

fn bytes(state: &mut State, name: &str, start: Option<usize>) -> Answer {
    let Some(content) = state.files.get(name) else { return Answer { status: 404, ..whole(vec![]) } };
    let mut answer = match start.filter(|_| !state.no_ranges) {
        Some(start) if start >= content.len() => Answer { status: 416, ..whole(vec![]) },
        Some(start) => Answer {
            status: 206,
            headers: format!("content-range: bytes {start}-{}/{}\r\n", content.len() - 1, content.len()),
            ..whole(content[start..].into())
        },
        None => whole(content.clone()),
    };
    if !name.ends_with(".json") && !state.cuts.is_empty() {
        answer.sent = answer.sent.min(state.cuts.remove(0));
    }
    answer
}

/// The listing; what is not JSON is a large file.
fn tree(state: &State) -> String {
    let mut text = String::from(r#"[{"type": "directory", "path": "onnx", "oid": "0", "size": 0}"#);
    for (name, content) in &state.files {
        let length = content.len();
        write!(
            text,
            r#", {{"type": "file", "path": "{name}", "oid": "{}", "size": {length}"#,
            &hash(content)[..40]
        )
        .unwrap();
        if !name.ends_with(".json") {
            let oid = state.announced.clone().unwrap_or_else(|| hash(content));
            write!(text, r#", "lfs": {{"oid": "{oid}", "size": {length}, "pointerSize": 100}}"#).unwrap();
        }
        text.push('}');
    }
    text + "]"
}

pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
