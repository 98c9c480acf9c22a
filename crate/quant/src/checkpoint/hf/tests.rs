//! Against a server on this machine that answers as a hub does: large files by way of a redirect to a storage server,
//! small ones at once, and badly in every way that was thought of.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use nomul::Code;
use sha2::{Digest, Sha256};

use super::{Hub, Repository};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A request: method, path, headers in small letters.
#[derive(Clone, Debug)]
struct Request {
    method: String,
    path: String,
    headers: HashMap<String, String>,
}

type Headers = Vec<(&'static str, String)>;

/// An answer: status line, headers, body, and after how many bytes of body the connection breaks.
struct Answer {
    status: &'static str,
    headers: Headers,
    body: Vec<u8>,
    breaks_after: Option<usize>,
}

fn answer(status: &'static str, headers: Headers, body: impl Into<Vec<u8>>) -> Answer {
    Answer { status, headers, body: body.into(), breaks_after: None }
}

/// A server on a port of its own; it ends with the test's process. Gives its address and what it was asked.
fn serve(respond: impl Fn(&Request) -> Answer + Send + 'static) -> (String, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that hangs up early is no matter.
            let _ = stream.and_then(|stream| converse(stream, &respond, &log));
        }
    });
    (address, asked)
}

fn converse(
    stream: TcpStream,
    respond: &impl Fn(&Request) -> Answer,
    log: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut words = first.split(' ').map(str::to_string);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        headers: HashMap::new(),
    };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        request.headers.insert(name.to_lowercase(), value.into());
    }
    log.lock().unwrap().push(request.clone());
    let Answer { status, headers, body, breaks_after } = respond(&request);
    let mut out = &stream;
    write!(out, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len())?;
    for (name, value) in headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    out.write_all(b"\r\n")?;
    if request.method != "HEAD" {
        out.write_all(&body[..breaks_after.unwrap_or(body.len())])?;
    }
    out.flush()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that a request asks for, as a storage server sends them.
fn ranged(request: &Request, bytes: &[u8]) -> Answer {
    let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    match range.and_then(|start| start.parse::<usize>().ok()) {
        Some(start) => {
            let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
            answer("206 Partial Content", vec![("Content-Range", range)], &bytes[start..])
        }
        None => answer("200 OK", vec![], bytes),
    }
}

/// A large file, sharded in two.
fn weights() -> Vec<u8> {
    (0..700_000u32).map(|i| (i * 31 / 8) as u8).collect()
}

const INDEX: &str = r#"{"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}"#;

/// What a hub has: shards in storage, text at once.
fn hub_answer(storage: &str, request: &Request) -> Answer {
    let prefix = "/org/name/resolve/";
    let Some((revision, file)) = request.path.strip_prefix(prefix).and_then(|rest| rest.split_once('/')) else {
        return answer("404 Not Found", vec![], "");
    };
    let commit = ("X-Repo-Commit", COMMIT.to_string());
    let small = |text: &str| {
        let etag = format!("\"{}\"", &sha256(text.as_bytes())[..40]);
        answer("200 OK", vec![commit.clone(), ("ETag", etag), ("Content-Type", "text/plain".into())], text)
    };
    match (revision, file) {
        ("main" | "refs%2Fpr%2F1" | COMMIT, "config.json") => small(r#"{"a":1}"#),
        (COMMIT, "tokenizer.json") => small("{}"),
        (COMMIT, "model.safetensors.index.json") => small(INDEX),
        (COMMIT, "model-1.safetensors" | "model-2.safetensors") => {
            let bytes = weights();
            let headers = vec![
                commit,
                ("X-Linked-Size", bytes.len().to_string()),
                ("X-Linked-ETag", format!("\"{}\"", sha256(&bytes))),
                ("Location", format!("{storage}/bucket/{file}?signed")),
            ];
            answer("302 Found", headers, "Found. Redirecting to storage")
        }
        _ => answer("404 Not Found", vec![commit], "Entry not found"),
    }
}

fn repository() -> Repository {
    Repository::parse("hf:org/name").unwrap()
}

fn fetch(base: &str, cache: &Path) -> nomul::Result<PathBuf> {
    Hub::new(base, Some("secret".into()), cache.into()).fetch(&repository(), &mut |_| ())
}

#[test]
fn names() {
    let parsed = Repository::parse("hf:HuggingFaceTB/SmolLM2-135M@refs/pr/1").unwrap();
    assert_eq!(
        (&*parsed.organisation, &*parsed.name, &*parsed.revision),
        ("HuggingFaceTB", "SmolLM2-135M", "refs/pr/1")
    );
    assert_eq!(repository().revision, "main");
    assert!(Repository::is_named_by("hf:a/b") && !Repository::is_named_by("a/b"));
    for wrong in
        ["a/b", "hf:a", "hf:a/b/c", "hf:/b", "hf:a/", "hf:../b", "hf:a/b@", "hf:a/b@../x", "hf:a/b@x/..", "hf:a/b c"]
    {
        assert_eq!(Repository::parse(wrong).unwrap_err().code, Code::Input, "{wrong}");
    }
}

#[test]
fn a_model_comes_whole_and_only_once() {
    let (storage, stored) = serve(|request| ranged(request, &weights()));
    let (hub, asked) = serve(move |request| hub_answer(&storage, request));
    let cache = tempfile::tempdir().unwrap();
    let mut last = HashMap::new();
    let folder = Hub::new(&format!("{hub}/"), Some("secret".into()), cache.path().into())
        .fetch(&repository(), &mut |progress| {
            let before = last.insert(progress.file.to_string(), progress.received);
            assert!(before <= Some(progress.received) && progress.total.unwrap() >= progress.received);
        })
        .unwrap();
    assert_eq!(folder, cache.path().join("org--name").join(COMMIT));
    let mut names: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let wanted =
        ["config.json", "model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json", "tokenizer.json"];
    assert_eq!(names, wanted);
    assert!(fs::read(folder.join("model-2.safetensors")).unwrap() == weights());
    assert_eq!(last["model-1.safetensors"], weights().len() as u64);
    // The token is the hub's; storage must not see it.
    assert!(asked.lock().unwrap().iter().all(|request| request.headers["authorization"] == "Bearer secret"));
    let stored = stored.lock().unwrap();
    assert!(stored.len() == 2 && stored.iter().all(|r| r.method == "GET" && !r.headers.contains_key("authorization")));

    asked.lock().unwrap().clear();
    fetch(&hub, cache.path()).unwrap();
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|r| r.method == "HEAD" && !r.path.contains("safetensors")), "{asked:?}");
}

#[test]
fn revisions_are_pinned_to_their_commit() {
    let (storage, _) = serve(|request| ranged(request, &weights()));
    let (hub, asked) = serve(move |request| hub_answer(&storage, request));
    let cache = tempfile::tempdir().unwrap();
    let repository = Repository::parse("hf:org/name@refs/pr/1").unwrap();
    Hub::new(&hub, None, cache.path().into()).fetch(&repository, &mut |_| ()).unwrap();
    let asked = asked.lock().unwrap();
    assert!(asked[0].path.contains("refs%2Fpr%2F1") && asked[1..].iter().all(|r| r.path.contains(COMMIT)));
}

#[test]
fn broken_connections_are_continued() {
    let (storage, stored) = serve(|request| {
        let whole = ranged(request, &weights());
        let first = !request.headers.contains_key("range");
        Answer { breaks_after: first.then_some(300_000), ..whole }
    });
    let (hub, _) = serve(move |request| hub_answer(&storage, request));
    let cache = tempfile::tempdir().unwrap();
    let folder = fetch(&hub, cache.path()).unwrap();
    assert!(fs::read(folder.join("model-1.safetensors")).unwrap() == weights());
    let stored = stored.lock().unwrap();
    assert!(stored.iter().any(|request| request.headers.get("range").is_some_and(|range| range == "bytes=300000-")));
}

#[test]
fn later_calls_continue_and_servers_may_start_over() {
    for ranges in [true, false] {
        let broken = Arc::new(Mutex::new(true));
        let state = broken.clone();
        let (storage, stored) = serve(move |request| match (*state.lock().unwrap(), ranges) {
            (true, _) => Answer { breaks_after: Some(100_000), ..answer("200 OK", vec![], weights()) },
            (false, true) => ranged(request, &weights()),
            (false, false) => answer("200 OK", vec![], weights()),
        });
        let (hub, _) = serve(move |request| hub_answer(&storage, request));
        let cache = tempfile::tempdir().unwrap();
        let error = fetch(&hub, cache.path()).unwrap_err();
        assert_eq!(error.code, Code::Io, "{error}");
        let folder = cache.path().join("org--name").join(COMMIT);
        assert!(!folder.join("model-1.safetensors").exists());

        *broken.lock().unwrap() = false;
        stored.lock().unwrap().clear();
        fetch(&hub, cache.path()).unwrap();
        assert!(fs::read(folder.join("model-1.safetensors")).unwrap() == weights());
        assert_eq!(stored.lock().unwrap()[0].headers["range"], "bytes=100000-");
        assert!(
            fs::read_dir(&folder).unwrap().all(|entry| !entry.unwrap().path().to_string_lossy().ends_with(".part"))
        );
    }
}

#[test]
fn wrong_bytes_are_not_kept() {
    let (storage, _) = serve(|request| {
        let mut bytes = weights();
        bytes[5] ^= 1;
        ranged(request, &bytes)
    });
    let (hub, _) = serve(move |request| hub_answer(&storage, request));
    let cache = tempfile::tempdir().unwrap();
    let error = fetch(&hub, cache.path()).unwrap_err();
    assert_eq!(error.code, Code::Checksum, "{error}");
    assert!(error.message.contains("model-1.safetensors") && error.message.contains(&sha256(&weights())), "{error}");
    let folder = cache.path().join("org--name").join(COMMIT);
    assert!(fs::read_dir(folder).unwrap().all(|entry| !entry.unwrap().path().to_string_lossy().contains("model-1")));
}

#[test]
fn longer_files_are_refused() {
    let (storage, _) = serve(|request| ranged(request, &[weights(), vec![0]].concat()));
    let (hub, _) = serve(move |request| hub_answer(&storage, request));
    let cache = tempfile::tempdir().unwrap();
    let error = fetch(&hub, cache.path()).unwrap_err();
    assert_eq!(error.code, Code::Format, "{error}");
    assert!(error.message.contains("longer than the 700000 bytes"), "{error}");
}

#[test]
fn answers_that_are_not_the_file() {
    let html = vec![("Content-Type", "text/html; charset=utf-8".to_string())];
    let table: [(&'static str, Headers, Code, &str); 7] = [
        ("404 Not Found", vec![], Code::Missing, "no such model"),
        ("401 Unauthorized", vec![], Code::Missing, "HF_TOKEN"),
        ("403 Forbidden", vec![], Code::Missing, "licence"),
        ("500 Internal Server Error", vec![], Code::Io, "500"),
        ("200 OK", html, Code::Format, "web page"),
        ("302 Found", vec![("Location", "nowhere".into())], Code::Io, "nowhere"),
        ("302 Found", vec![("Location", "/org/name/resolve/main/config.json".into())], Code::Io, "redirects"),
    ];
    for (status, headers, code, word) in table {
        let (hub, _) = serve(move |_| answer(status, headers.clone(), "<html></html>"));
        let cache = tempfile::tempdir().unwrap();
        let error = fetch(&hub, cache.path()).unwrap_err();
        assert_eq!(error.code, code, "{status}: {error}");
        assert!(error.message.contains(word) && error.message.contains("/org/name/"), "{status}: {error}");
        assert!(fs::read_dir(cache.path()).unwrap().next().is_none(), "{status}: left something behind");
    }
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(fetch("ftp://example.org", cache.path()).unwrap_err().code, Code::Input);
    assert_eq!(fetch("http://127.0.0.1:1", cache.path()).unwrap_err().code, Code::Io);
}

#[test]
fn renamed_models_are_followed() {
    let (hub, _) = serve(|request| {
        let text = |text: &str| answer("200 OK", vec![], text);
        match request.path.replace("/resolve/main/", " ").as_str() {
            "/org/name config.json" | "/org/name model.safetensors" => {
                let location = request.path.replace("/org/name/", "/org/new/");
                answer("307 Temporary Redirect", vec![("Location", location)], "")
            }
            "/org/new config.json" => text("{}"),
            "/org/new model.safetensors" => text("weights"),
            _ => answer("404 Not Found", vec![], ""),
        }
    });
    let cache = tempfile::tempdir().unwrap();
    let folder = fetch(&hub, cache.path()).unwrap();
    // This hub does not say which commit it means.
    assert_eq!(folder, cache.path().join("org--name").join("main"));
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), b"weights");
}
