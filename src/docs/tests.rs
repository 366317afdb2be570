use std::path::Path;

use super::documents;

/// `make docs` writes them anew.
#[test]
fn what_is_kept_is_what_is_made() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for document in documents() {
        let path = docs.join(document.path);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &document.text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == document.text, "docs/{} is old: run `make docs`", document.path);
    }
}
