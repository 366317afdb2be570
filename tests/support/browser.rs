//! A headless Chromium, driven over WebDriver; gone with everything that it started when dropped.
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value as Json, json};

use super::{PATIENCE, eventually, so};

/// What Chromium is told, so that it runs as root, without a screen, and asks nobody anything.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    dir: tempfile::TempDir,
}

impl Browser {
    /// Starts one; `None`, and it says so, where Chromium is not installed.
    pub fn start() -> Option<Self> {
        let dir = tempfile::Builder::new().prefix("sv-browser").tempdir().unwrap();
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").current_dir(dir.path()).env("HOME", dir.path()).env("TMPDIR", dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let Ok(mut driver) = command.spawn() else {
            eprintln!("skipped: chromedriver is not installed (make deps)");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            line.unwrap().split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let mut browser = Self { driver, port: port.unwrap(), session: String::new(), dir };
        let profile = format!("--user-data-dir={}", browser.dir.path().join("profile").display());
        let flags: Vec<&str> =
            FLAGS.into_iter().chain([profile.as_str(), "--window-size=1280,900"]).collect();
        let options =
            json!({ "goog:chromeOptions": { "args": flags }, "goog:loggingPrefs": { "browser": "WARNING" } });
        let answer = browser.ask("POST", "/session", &json!({ "capabilities": { "alwaysMatch": options } }));
        browser.session = format!("/session/{}", answer["sessionId"].as_str().unwrap());
        Some(browser)
    }

    /// Asks the driver; whatever it refuses fails the test.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Json) -> Json {
        self.tell(method, path, body).unwrap_or_else(|refused| panic!("{method} {path} {body}: {refused}"))
    }

    fn tell(&self, method: &str, path: &str, body: &Json) -> Result<Json, Json> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all((head + &body).as_bytes()).unwrap();
        let mut reader = BufReader::new(socket);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        let answer: Json = serde_json::from_slice(&answer).unwrap();
        let value = answer["value"].clone();
        if value.get("error").is_some() { Err(value) } else { Ok(value) }
    }

    #[track_caller]
    fn post(&self, path: &str, body: Json) -> Json {
        self.ask("POST", &format!("{}{path}", self.session), &body)
    }

    /// Opens a page, and waits until it is there.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url }));
    }

    /// The address of the page.
    pub fn url(&self) -> String {
        self.ask("GET", &format!("{}/url", self.session), &Json::Null).as_str().unwrap().to_owned()
    }

    /// Runs a function's body in the page, and gives what it returns.
    #[track_caller]
    pub fn run(&self, script: &str) -> Json {
        self.post("/execute/sync", json!({ "script": script, "args": [] }))
    }

    #[track_caller]
    fn element(&self, css: &str) -> String {
        let find = || {
            let query = json!({ "using": "css selector", "value": css });
            let found = self.tell("POST", &format!("{}/element", self.session), &query);
            found.map_err(|refused| refused["message"].to_string())
        };
        let found = eventually(&format!("{css} is there"), find);
        format!("/element/{}", found[ELEMENT].as_str().unwrap())
    }

    /// Clicks as a person would: what cannot be seen or is covered cannot be clicked.
    #[track_caller]
    pub fn click(&self, css: &str) {
        eventually(&format!("{css} can be clicked"), || {
            let path = format!("{}{}/click", self.session, self.element(css));
            self.tell("POST", &path, &json!({})).map_err(|refused| refused["message"].to_string())
        });
    }

    /// Types into an element.
    #[track_caller]
    pub fn type_into(&self, css: &str, text: &str) {
        self.post(&format!("{}/value", self.element(css)), json!({ "text": text }));
    }

    /// Types to whatever has the focus.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        let strokes: Vec<Json> = keys
            .chars()
            .flat_map(|key| {
                [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
            })
            .collect();
        self.post("/actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] }));
    }

    /// The text that a person sees of an element.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        let path = format!("{}{}/text", self.session, self.element(css));
        self.tell("GET", &path, &Json::Null).unwrap_or_default().as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a person sees this in an element.
    #[track_caller]
    pub fn await_text(&self, css: &str, wanted: &str) {
        eventually(&format!("{css} says {wanted:?}"), || {
            let text = self.text(css);
            so(text.contains(wanted), text)
        });
    }

    /// Waits until an expression of the page is true.
    #[track_caller]
    pub fn await_true(&self, expression: &str) {
        eventually(expression, || {
            so(self.run(&format!("return !!({expression})")) == json!(true), self.text("body"))
        });
    }

    /// What Chromium's console has complained of: errors of scripts, what the policy of the page forbids, what could not be
    /// loaded.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", json!({ "type": "browser" }));
        log.as_array().unwrap().iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// Has the page believe that nobody can see it, or that somebody can again.
    #[track_caller]
    pub fn hide(&self, hidden: bool) {
        self.run(&format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});
             document.dispatchEvent(new Event('visibilitychange'))"
        ));
    }

    /// Gives a command of Chromium's own protocol.
    #[track_caller]
    pub fn devtools(&self, command: &str, params: Json) {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": params }));
    }

    /// Whether the person likes it dark.
    #[track_caller]
    pub fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// The size of the window; that of a phone is a phone's.
    #[track_caller]
    pub fn size(&self, width: u32, height: u32) {
        let mobile = width < 600;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Keeps a picture of the page in the directory that `SCREENSHOTS` names, if it does.
    pub fn picture(&self, name: &str) {
        let Ok(dir) = std::env::var("SCREENSHOTS") else { return };
        let picture = self.ask("GET", &format!("{}/screenshot", self.session), &Json::Null);
        let bytes = STANDARD.decode(picture.as_str().unwrap()).unwrap();
        fs::create_dir_all(&dir).unwrap();
        fs::write(Path::new(&dir).join(format!("{name}.png")), bytes).unwrap();
    }

    /// The processes that have our directory on their command line, or are the driver.
    fn processes(&self) -> Vec<i32> {
        let own = self.dir.path().to_str().unwrap();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let ours = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(own)
        };
        pids.filter(ours).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _ = self.tell("DELETE", &self.session, &Json::Null);
            }));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        loop {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            for pid in left {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
