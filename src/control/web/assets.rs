//! What pages are made of besides HTML: built in, and named by what it is, so that a browser asks whether it has changed.

use sha1_smol::Sha1;

/// A file that pages load.
#[derive(Debug)]
pub struct Asset {
    /// Its path.
    pub path: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// What is in it.
    pub content: &'static str,
}

/// The table. The sheet has the path of Supervisor's.
pub const ASSETS: &[Asset] = &[
    Asset {
        path: "/stylesheets/supervisor.css",
        kind: "text/css;charset=utf-8",
        content: include_str!("assets/supervisor.css"),
    },
    Asset {
        path: "/scripts/console.js",
        kind: "text/javascript;charset=utf-8",
        content: include_str!("assets/console.js"),
    },
    Asset {
        path: "/scripts/log.js",
        kind: "text/javascript;charset=utf-8",
        content: include_str!("assets/log.js"),
    },
    Asset { path: "/images/icon.svg", kind: "image/svg+xml", content: include_str!("assets/icon.svg") },
];

impl Asset {
    /// The one at a path.
    #[must_use]
    pub fn at(path: &str) -> Option<&'static Self> {
        ASSETS.iter().find(|asset| asset.path == path)
    }

    /// Its `ETag`.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("\"{}\"", &Sha1::from(self.content).digest().to_string()[..16])
    }

    /// Whether a browser that says `If-None-Match` has it already.
    #[must_use]
    pub fn is_known(&self, if_none_match: &str) -> bool {
        let tag = self.tag();
        if_none_match
            .split(',')
            .map(|given| given.trim().trim_start_matches("W/"))
            .any(|given| given == tag || given == "*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_keeps_what_has_not_changed() {
        let sheet = Asset::at("/stylesheets/supervisor.css").unwrap();
        assert!(sheet.is_known(&sheet.tag()) && sheet.is_known(&format!("\"x\", W/{}", sheet.tag())));
        assert!(!sheet.is_known("") && !sheet.is_known(&Asset::at("/scripts/log.js").unwrap().tag()));
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for asset in ASSETS {
            let urls = asset.content.matches("://").count();
            let own = asset.content.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(urls, own, "{}", asset.path);
        }
    }
}
