//! What a profile folder begins as: the user's template, one that was warmed up, or the built-in one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folder;

/// Preferences of the built-in template.
pub(super) const PREFERENCES: &str = include_str!("../../profiles/template/Default/Preferences");

/// Files of a profile that a browser takes for empty when they are half-written, and with them the user's settings.
const MUST_BE_WHOLE: [&str; 2] = ["Local State", "Default/Preferences"];

/// What a warmed template never holds, whatever the browser has written meanwhile: what lets in, and what was seen.
const PERSONAL: [&str; 12] = [
    "Cookies",
    "Cookies-journal",
    "Network",
    "Login Data",
    "Login Data-journal",
    "Login Data For Account",
    "Login Data For Account-journal",
    "History",
    "History-journal",
    "Web Data",
    "Web Data-journal",
    "Sessions",
];

/// Where a profile comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A folder that the user has named.
    Users(PathBuf),
    /// A folder that a browser of this version was started on once before.
    Warmed(PathBuf),
    /// A few preferences, of which the browser makes everything else anew.
    BuiltIn,
}

impl Origin {
    /// Fills the empty folder `profile`.
    ///
    /// # Errors
    /// When the template cannot be read, or is half-written; names the file.
    pub(super) fn fill(&self, profile: &Path) -> io::Result<()> {
        match self {
            Self::Users(template) => {
                let named = |why: io::Error| {
                    io::Error::new(why.kind(), format!("the template {} cannot be copied: {why}", template.display()))
                };
                check_whole(template).and_then(|()| folder::copy(template, profile)).map_err(named)?;
            }
            Self::Warmed(template) => folder::copy(template, profile)?,
            Self::BuiltIn => {
                folder::create_private(&profile.join("Default"))?;
                fs::write(profile.join("Default/Preferences"), PREFERENCES)?;
            }
        }
        fs::write(profile.join("First Run"), "") // its presence says that the first run is over
    }
}

fn check_whole(template: &Path) -> io::Result<()> {
    for name in MUST_BE_WHOLE {
        let path = template.join(name);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(why) => return Err(folder::naming(&path, &why)),
        };
        if let Err(why) = serde_json::from_slice::<serde::de::IgnoredAny>(&text) {
            let why = format!("{} is half-written or damaged ({why})", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
    }
    Ok(())
}

/// Makes a template at `place` of a profile whose browser was closed; `beside` is a private folder on the same disk that
/// is not yet there. Whoever was first stays.
///
/// # Errors
/// When the copy cannot be made. Nothing half is ever at `place`.
pub(super) fn keep(profile: &Path, beside: &Path, place: &Path) -> io::Result<()> {
    folder::create_private(beside)?;
    folder::copy_without(profile, beside, &PERSONAL)?;
    match fs::rename(beside, place) {
        // another program has made the same one meanwhile
        Err(_) if place.is_dir() => Ok(()),
        other => other,
    }
}

/// Removes the warmed templates in `base` but `but`; with a `kind`, only those of this kind of browser. Gives what was
/// removed, and what could not be.
pub(super) fn remove_others(base: &Path, kind: Option<&str>, but: Option<&Path>) -> (Vec<PathBuf>, Vec<String>) {
    let (mut removed, mut left) = (Vec::new(), Vec::new());
    for path in all(base, kind).into_iter().filter(|path| but != Some(path.as_path())) {
        match folder::remove(&path) {
            Ok(()) => removed.push(path),
            Err(why) => left.push(format!("the template {} could not be removed: {why}", path.display())),
        }
    }
    (removed, left)
}

/// The warmed templates in `base`; with a `kind`, only those of this kind of browser.
pub(super) fn all(base: &Path, kind: Option<&str>) -> Vec<PathBuf> {
    let prefix = kind.map_or_else(|| PREFIX.to_owned(), |kind| format!("{PREFIX}{kind}-"));
    let is_one = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&prefix))
            && fs::symlink_metadata(path).is_ok_and(|about| about.is_dir())
    };
    fs::read_dir(base).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).filter(is_one).collect()
}

/// What the name of a warmed template begins with.
const PREFIX: &str = "template-";

/// The folder of the warmed template for this kind and version.
pub(super) fn place(base: &Path, kind: &str, version: &str) -> PathBuf {
    base.join(format!("{PREFIX}{kind}-{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_template_is_valid_and_opens_no_pdf() {
        let preferences: serde_json::Value = serde_json::from_str(PREFERENCES).unwrap();
        assert_eq!(preferences["plugins"]["always_open_pdf_externally"], true);
        assert_eq!(preferences["download"]["prompt_for_download"], false);
    }

    #[test]
    fn a_half_written_template_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let (template, profile) = (folder.path().join("mine"), folder.path().join("profile"));
        fs::create_dir_all(template.join("Default")).unwrap();
        fs::create_dir(&profile).unwrap();
        fs::write(template.join("Default/Preferences"), "{\"plugins\": {\"alw").unwrap();
        let why = Origin::Users(template.clone()).fill(&profile).unwrap_err().to_string();
        assert!(why.contains("mine") && why.contains("Preferences is half-written"), "{why}");
        fs::write(template.join("Default/Preferences"), "{}").unwrap();
        Origin::Users(template).fill(&profile).unwrap();
    }

    #[test]
    fn what_is_personal_is_not_kept_and_the_first_of_two_stays() {
        let folder = tempfile::tempdir().unwrap();
        let profile = folder.path().join("profile");
        fs::create_dir_all(profile.join("Default/Network")).unwrap();
        fs::create_dir_all(profile.join("Default/Cache")).unwrap();
        for name in ["Cookies", "Network/Cookies", "Login Data", "Preferences"] {
            fs::write(profile.join("Default").join(name), "first").unwrap();
        }
        let place = place(folder.path(), "chromium", "156.0.1.2");
        keep(&profile, &folder.path().join("a"), &place).unwrap();
        let kept: Vec<_> =
            fs::read_dir(place.join("Default")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(kept, ["Preferences"]);
        fs::write(profile.join("Default/Preferences"), "second").unwrap();
        keep(&profile, &folder.path().join("b"), &place).unwrap();
        assert_eq!(fs::read_to_string(place.join("Default/Preferences")).unwrap(), "first");
    }

    #[test]
    fn templates_of_other_versions_go_and_those_of_other_browsers_stay() {
        let base = tempfile::tempdir().unwrap();
        let at = |kind, version| place(base.path(), kind, version);
        let (own, old, edge) = (at("chromium", "156"), at("chromium", "155"), at("edge", "155"));
        for path in [&own, &old, &edge] {
            fs::create_dir(path).unwrap();
        }
        assert_eq!(remove_others(base.path(), Some("chromium"), Some(&own)).0, [old]);
        assert!(own.is_dir() && edge.is_dir());
        assert_eq!(remove_others(base.path(), None, None).0.len(), 2);
    }
}
