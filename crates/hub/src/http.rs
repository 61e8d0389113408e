//! HTTP: small JSON answers, and files that are taken up again where they broke off.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::config::RedirectAuthHeaders;
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use crate::Hub;
use crate::digest::CHUNK;
use crate::error::{Error, Result};
use crate::files;
use crate::progress::{Progress, Stage};

/// A hub that cannot be reached must fail fast: another source may follow.
const CONNECT_SECONDS: u64 = 8;
/// Silence after which a connection counts as broken.
const SILENCE_SECONDS: u64 = 30;
/// Failures in a row, without a byte gained, after which a file is given up.
const FAILURES: u32 = 3;
/// JSON answers are lists of files; the largest repositories need less.
const ANSWER_BYTES: u64 = 16 << 20;

/// A client of one hub.
pub(crate) struct Client {
    agent: Agent,
    token: Option<String>,
    pause: Duration,
}

/// A file to download.
pub(crate) struct Download<'a> {
    pub(crate) url: &'a str,
    /// Its name, for messages.
    pub(crate) name: &'a str,
    /// Where its bytes are collected; what is there already is its beginning.
    pub(crate) part: &'a Path,
    /// Its whole length.
    pub(crate) bytes: u64,
}

impl Client {
    pub(crate) fn new(hub: &Hub) -> Result<Self> {
        let seconds = |count| Some(Duration::from_secs(count));
        let mut builder = Agent::config_builder()
            .user_agent(concat!("rankine/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_resolve(seconds(CONNECT_SECONDS))
            .timeout_connect(seconds(CONNECT_SECONDS))
            .timeout_recv_response(seconds(SILENCE_SECONDS))
            .timeout_per_read(seconds(SILENCE_SECONDS));
        if let Some(path) = &hub.authorities {
            builder = builder.tls_config(TlsConfig::builder().root_certs(authorities(path)?).build());
        }
        Ok(Self { agent: builder.build().into(), token: hub.token.clone(), pause: hub.pause })
    }

    /// The JSON answer of `url`, asked about `what`.
    pub(crate) fn json<T: DeserializeOwned>(&self, url: &str, what: &str) -> Result<T> {
        let mut response = self.get(url, 0)?;
        self.check(&response, url, what)?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec();
        let body = body.map_err(|source| unreachable(url, source))?;
        serde_json::from_slice(&body)
            .map_err(|error| Error::Answer { url: url.into(), reason: error.to_string() })
    }

    /// Collects the file in its `.part` until all bytes are there; taken up again while that gains bytes.
    pub(crate) fn download(&self, file: &Download, watch: &mut dyn FnMut(Progress)) -> Result<()> {
        let (mut failures, mut most) = (0, files::length(file.part).unwrap_or(0));
        loop {
            let error = match self.attempt(file, watch) {
                Err(error) if error.is_transient() => error,
                settled => return settled,
            };
            let gained = files::length(file.part).unwrap_or(0);
            failures = if gained > most { 0 } else { failures + 1 };
            most = most.max(gained);
            if failures >= FAILURES {
                return Err(error);
            }
            std::thread::sleep(self.pause * 2_u32.pow(failures));
        }
    }

    /// One request for what is missing of the file.
    fn attempt(&self, file: &Download, watch: &mut dyn FnMut(Progress)) -> Result<()> {
        let start = match files::length(file.part).unwrap_or(0) {
            whole if whole == file.bytes && whole > 0 => return Ok(()),
            beginning if beginning < file.bytes => beginning,
            _ => 0,
        };
        let response = self.get(file.url, start)?;
        if response.status() == 416 {
            files::remove_file(file.part)?;
        }
        self.check(&response, file.url, file.url)?;
        // A server that does not know ranges answers 200 with the whole file.
        let start = if response.status() == 206 { begin_of_range(&response, file, start)? } else { 0 };
        if let Some(found) = response.body().content_length().map(|rest| rest.saturating_add(start))
            && found != file.bytes
        {
            return Err(Error::Size { file: file.name.into(), expected: file.bytes, found });
        }
        receive(response, file, start, watch)
    }

    /// Asks for `url`, from byte `start`.
    fn get(&self, url: &str, start: u64) -> Result<Response<Body>> {
        let mut request = self.agent.get(url);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if start > 0 {
            request = request.header("range", format!("bytes={start}-"));
        }
        request.call().map_err(|source| unreachable(url, source))
    }

    /// Whether the server gives what was asked for.
    fn check(&self, response: &Response<Body>, url: &str, what: &str) -> Result<()> {
        let code = response.headers().get("x-error-code").and_then(|value| value.to_str().ok());
        match response.status().as_u16() {
            200 | 206 => Ok(()),
            status @ (401 | 403) => Err(Error::Forbidden {
                what: what.into(),
                status,
                gated: code == Some("GatedRepo"),
                token: self.token.is_some(),
            }),
            404 => Err(Error::NotFound { what: what.into() }),
            status => Err(Error::Status { url: url.into(), status }),
        }
    }
}

/// The certificate authorities in a PEM file.
fn authorities(path: &Path) -> Result<RootCerts> {
    let pem =
        std::fs::read(path).map_err(|source| Error::Io { action: "read", path: path.into(), source })?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(Error::Authorities { path: path.into() });
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

fn unreachable(url: &str, source: ureq::Error) -> Error {
    Error::Unreachable { url: url.into(), source: Box::new(source) }
}

/// First byte of a partial answer, which must be the one asked for: `content-range: bytes 5-9/10`.
fn begin_of_range(response: &Response<Body>, file: &Download, start: u64) -> Result<u64> {
    let text = response.headers().get("content-range").and_then(|value| value.to_str().ok()).unwrap_or("");
    let begin = text.strip_prefix("bytes ").and_then(|rest| rest.split('-').next());
    if begin.and_then(|number| number.trim().parse().ok()) == Some(start) {
        return Ok(start);
    }
    let reason = format!("asked for bytes from {start}, got the range `{text}`");
    Err(Error::Answer { url: file.url.into(), reason })
}

/// Appends the body to the first `start` bytes of the part.
fn receive(
    mut response: Response<Body>,
    file: &Download,
    start: u64,
    watch: &mut dyn FnMut(Progress),
) -> Result<()> {
    let io = |source| Error::Io { action: "write", path: file.part.into(), source };
    let mut part = File::options().create(true).append(true).open(file.part).map_err(io)?;
    part.set_len(start).map_err(io)?;
    let mut body = response.body_mut().as_reader();
    let (mut done, mut chunk) = (start, vec![0; CHUNK]);
    loop {
        watch(Progress::bytes(file.name, Stage::Downloading, done, file.bytes));
        let count = body.read(&mut chunk).map_err(|error| unreachable(file.url, error.into()))?;
        if count == 0 {
            break;
        }
        done += count as u64;
        if done > file.bytes {
            return Err(Error::Size { file: file.name.into(), expected: file.bytes, found: done });
        }
        part.write_all(&chunk[..count]).map_err(io)?;
    }
    if done < file.bytes {
        return Err(Error::Truncated { file: file.name.into(), expected: file.bytes, found: done });
    }
    Ok(())
}
