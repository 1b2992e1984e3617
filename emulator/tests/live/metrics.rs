//! `emu run --metrics`, asked while the run goes on.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use emulator::live::metrics::{FAMILIES, Kind};
use serde_json::Value;

use crate::WATCHED;
use crate::story::{Running, User};

const DASHBOARD: &str = include_str!("../../../docs/grafana/emu.json");
const PATIENCE: Duration = Duration::from_secs(120);

/// A run that is watched, and where.
struct Watched {
    child: Child,
    address: String,
}

impl Watched {
    /// Starts a run, and waits until it says where its figures are.
    fn start(user: &User, more: &[&str]) -> Watched {
        let mut child = user.start(&[&["run", WATCHED, "--metrics", "127.0.0.1:0"][..], more].concat());
        let until = Instant::now() + PATIENCE;
        loop {
            let said = user.read("stderr");
            let place = said.lines().find_map(|line| line.strip_prefix("metrics are served at http://"));
            if let Some(address) = place.and_then(|place| place.strip_suffix("/metrics")) {
                return Watched { child, address: address.to_owned() };
            }
            assert!(child.try_wait().unwrap().is_none(), "emu ended:\n{said}");
            assert!(Instant::now() < until, "nothing is said of metrics:\n{said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// An answer's head and body.
    fn ask(&self, request: &str) -> (String, String) {
        ask(&self.address, request)
    }

    fn page(&self) -> String {
        let (head, body) = self.ask("GET /metrics HTTP/1.1\r\nHost: emu\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert!(head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        body
    }

    /// Waits for a page that is as wanted.
    #[track_caller]
    fn until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let page = self.page();
            if wanted(&page) {
                return page;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "emu ended before {what}:\n{page}");
            assert!(Instant::now() < until, "no {what}:\n{page}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn ask(address: &str, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("the host reaches the listener");
    stream.write_all(request.as_bytes()).expect("it takes a request");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("it answers");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

/// The value of a figure, by its name and labels as written.
fn figure(page: &str, figure: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn figures_are_served_on_the_host_while_the_run_lives_in_its_sandbox_and_agree_with_the_summary() {
    let user = User::new();
    let mut run = Watched::start(&user, &["--json"]);
    let page = run.until("an active fault", |page| figure(page, "emu_faults_active{kind=\"pause\"}") == Some(1.0));
    assert!(page.contains("emu_node_up{node=\"n01\",role=\"dispatcher\"} 1"), "{page}");
    assert!(page.contains("emu_run_info{scenario=\"live\",model=\"tiny"), "{page}");
    assert!(figure(&page, "emu_requests_total{outcome=\"completed\"}") > Some(0.0), "{page}");
    assert!(page.lines().any(|line| line.starts_with("emu_link_bytes_total{from=\"")), "{page}");
    assert!(page.lines().any(|line| line.starts_with("emu_stage_info{stage=\"0\"")), "{page}");

    // Whoever asks for something else, or says nothing, keeps nobody from asking.
    let silent = TcpStream::connect(&run.address).unwrap();
    assert!(run.ask("GET /other HTTP/1.1\r\n\r\n").0.starts_with("HTTP/1.1 404"));
    assert!(run.ask("POST /metrics HTTP/1.1\r\n\r\n").0.starts_with("HTTP/1.1 405"));
    assert_eq!(run.ask("HEAD /metrics HTTP/1.1\r\n\r\n").1, "");
    drop(silent);

    let page = run.until("the end of load", |page| figure(page, "emu_load_elapsed_seconds") >= Some(11.0));
    read_by_others(&user, &page);
    assert!(run.child.wait().unwrap().success(), "{}", user.read("stderr"));
    let summary: Value = serde_json::from_str(&user.read("stdout")).expect("JSON");
    let completed = summary["requests"]["completed"].as_f64();
    assert!(figure(&page, "emu_requests_total{outcome=\"completed\"}") <= completed, "{summary:#}");
    assert_eq!(figure(&page, "emu_faults_fired_total{kind=\"pause\"}"), Some(1.0));
}

/// Python's own library for Prometheus reads every family, with its type.
fn read_by_others(user: &User, page: &str) {
    let Some(python) = std::env::var_os("EMU_PYTHON") else {
        eprintln!("SKIPPED: set EMU_PYTHON to a Python that has the package prometheus_client");
        return;
    };
    let path = user.write("page.txt", page);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/metrics.py");
    let output = Command::new(python).arg(script).arg(path).output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for family in FAMILIES {
        // The library takes the end off a counter's name.
        let name = if family.kind == Kind::Counter { family.name.strip_suffix("_total").unwrap() } else { family.name };
        assert_eq!(read[name]["type"], family.kind.word(), "{name}: {read:#}");
        assert!(read[name]["samples"].as_u64() > Some(0), "{name} has no figure");
    }
    let buckets: Vec<f64> =
        read["emu_request_duration_seconds"]["buckets"].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    assert!(buckets.is_sorted() && buckets.last() > Some(&0.0), "{buckets:?}");
}

/// The expressions of a dashboard's panels.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let expressions: Vec<String> = targets.map(|target| target["expr"].as_str().expect("expr").to_owned()).collect();
    assert!(expressions.len() >= panels.len() - 1, "a panel shows nothing");
    expressions
}

/// The names of figures in an expression.
fn names(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("emu_")).collect()
}

#[test]
fn the_dashboard_asks_for_nothing_that_is_not_exported_and_the_page_of_the_docs_names_all_that_is() {
    let exported: BTreeSet<String> = FAMILIES
        .iter()
        .flat_map(|family| match family.kind {
            Kind::Histogram => ["_bucket", "_sum", "_count"].map(|end| format!("{}{end}", family.name)).to_vec(),
            _ => vec![family.name.to_owned()],
        })
        .collect();
    for expression in expressions() {
        let asked = names(&expression);
        assert!(!asked.is_empty(), "{expression}");
        for name in asked {
            assert!(exported.contains(name), "{expression}: {name} is not exported");
        }
    }
    let docs = include_str!("../../../docs/live.md");
    let missing: Vec<&str> =
        FAMILIES.iter().map(|family| family.name).filter(|name| !docs.contains(&format!("`{name}"))).collect();
    assert_eq!(missing, [""; 0], "not in docs/live.md");
}

/// A program of Debian's package, if it is there.
fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[test]
fn a_real_prometheus_scrapes_a_run_and_has_data_for_every_panel() {
    let (Some(prometheus), Some(promtool)) = (installed("prometheus"), installed("promtool")) else {
        eprintln!("SKIPPED: prometheus and promtool (Debian's package prometheus) are not installed");
        return;
    };
    let user = User::new();
    let mut run = Watched::start(&user, &["--set", "duration=\"20 s\""]);
    let page = run.until("load", |page| figure(page, "emu_requests_total{outcome=\"completed\"}") > Some(0.0));
    let mut check = Command::new(promtool).args(["check", "metrics"]).stdin(Stdio::piped()).spawn().expect("promtool");
    check.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    assert!(check.wait().unwrap().success(), "promtool objects to the page, see above");

    let config = format!(
        "scrape_configs:\n- job_name: emu\n  scrape_interval: 500ms\n  static_configs:\n  - targets: ['{}']\n",
        run.address
    );
    let config = user.write("prometheus.yml", &config);
    let place = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").to_string();
    let argument = |name: &str, value: &Path| format!("--{name}={}", value.display());
    let server = Command::new(prometheus)
        .arg(argument("config.file", &config))
        .arg(argument("storage.tsdb.path", &user.path().join("data")))
        .arg(format!("--web.listen-address={place}"))
        .stderr(std::fs::File::create(user.path().join("prometheus.log")).unwrap())
        .spawn()
        .expect("prometheus starts");
    let _server = Running(server);
    let mut waiting: Vec<String> = expressions();
    let until = Instant::now() + PATIENCE;
    while !waiting.is_empty() {
        std::thread::sleep(Duration::from_millis(300));
        let over = run.child.try_wait().unwrap().is_some() || Instant::now() > until;
        waiting.retain(|expression| !has_data(&place, expression));
        assert!(!over || waiting.is_empty(), "no data for {waiting:#?}\n{}", user.read("prometheus.log"));
    }
    assert!(run.child.wait().unwrap().success(), "{}", user.read("stderr"));
}

/// Whether an expression gives something, as a panel asks for it.
fn has_data(prometheus: &str, expression: &str) -> bool {
    let expression = expression.replace("$__rate_interval", "5s");
    let query: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let Ok(mut stream) = TcpStream::connect(prometheus) else { return false };
    let request = format!("GET /api/v1/query?query={query} HTTP/1.0\r\nHost: prometheus\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("an answer");
    let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let Ok(reply) = serde_json::from_str::<Value>(body) else { return false };
    assert_ne!(reply["status"], "error", "{expression}: {reply:#}");
    reply["data"]["result"].as_array().is_some_and(|result| {
        result.iter().any(|series| series["value"][1].as_str().is_some_and(|value| value != "NaN"))
    })
}
