//! What a new profile folder is filled from: the user's template, a pre-warmed one, or the built-in preferences.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::fs::private;
use crate::fs::tree;

/// Preferences of the built-in template.
const PREFERENCES: &str = include_str!("../../../profiles/template/Default/Preferences");

/// Profile files that a browser takes for empty when they are truncated, and the user's settings with them.
const MUST_BE_WHOLE: [&str; 2] = ["Local State", "Default/Preferences"];

/// Where the content of a new profile comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProfileSource {
    /// A folder that the user has named (`profile_template`).
    Custom(PathBuf),
    /// A folder that a browser of this version was started on once before.
    Warm(PathBuf),
    /// A few preferences; the browser creates everything else.
    BuiltIn,
}

impl ProfileSource {
    /// Fills the empty folder `profile`.
    ///
    /// # Errors
    /// When the template cannot be read or is truncated; names the file.
    pub(crate) fn fill(&self, profile: &Path) -> io::Result<()> {
        match self {
            Self::Custom(template) => {
                let named = |why: io::Error| {
                    io::Error::new(why.kind(), format!("the template {} cannot be copied: {why}", template.display()))
                };
                check_whole(template).and_then(|()| tree::copy(template, profile)).map_err(named)?;
            }
            Self::Warm(template) => tree::copy(template, profile)?,
            Self::BuiltIn => {
                private::create_folder(&profile.join("Default"))?;
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
            Err(why) => return Err(tree::naming(&path, &why)),
        };
        if let Err(why) = serde_json::from_slice::<serde::de::IgnoredAny>(&text) {
            let why = format!("{} is truncated or damaged ({why})", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
    }
    Ok(())
}

/// The pre-warmed template of one version of a browser, in the folder of the profiles.
#[derive(Clone, Debug)]
pub(crate) struct WarmTemplate {
    base: PathBuf,
    /// What the names of all templates of this kind of browser begin with.
    prefix: String,
    path: PathBuf,
}

impl WarmTemplate {
    /// That of browser `kind` of this version, which may not exist yet.
    pub(crate) fn new(base: &Path, kind: &str, version: &str) -> Self {
        let prefix = format!("{PREFIX}{kind}-");
        Self { base: base.to_owned(), path: base.join(format!("{prefix}{version}")), prefix }
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies `profile` to the template, unless there is one by now, and removes those of other versions. `profile` must
    /// be of a browser that was closed without ever having opened a page: it holds the browser's own files and empty
    /// databases, and nothing personal. `copy` is a path on the same disk that does not exist yet. Blocks.
    ///
    /// Leaving out the databases was tried: a browser that finds half of its files is slower than one that finds none.
    ///
    /// # Errors
    /// When the copy cannot be made or an old template stays. The template is never incomplete.
    pub(crate) fn save(&self, profile: &Path, copy: &Path) -> io::Result<()> {
        private::create_folder(copy)?;
        tree::copy(profile, copy)?;
        if let Err(why) = fs::rename(copy, &self.path)
            && !self.path.is_dir()
        {
            return Err(tree::naming(&self.path, &why)); // otherwise another program was quicker, with the same content
        }
        let others = folders(&self.base, &self.prefix).into_iter().filter(|other| *other != self.path);
        others.into_iter().try_for_each(|other| tree::remove(&other).map_err(|why| tree::naming(&other, &why)))
    }
}

/// The pre-warmed templates of all browsers in `base`.
pub(crate) fn warm_templates(base: &Path) -> Vec<PathBuf> {
    folders(base, PREFIX)
}

/// What the name of a pre-warmed template begins with.
const PREFIX: &str = "template-";

fn folders(base: &Path, prefix: &str) -> Vec<PathBuf> {
    let is_template = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix))
            && fs::symlink_metadata(path).is_ok_and(|about| about.is_dir())
    };
    fs::read_dir(base).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).filter(is_template).collect()
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
    fn a_truncated_template_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let (template, profile) = (folder.path().join("mine"), folder.path().join("profile"));
        fs::create_dir_all(template.join("Default")).unwrap();
        fs::create_dir(&profile).unwrap();
        fs::write(template.join("Default/Preferences"), "{\"plugins\": {\"alw").unwrap();
        let why = ProfileSource::Custom(template.clone()).fill(&profile).unwrap_err().to_string();
        assert!(why.contains("mine") && why.contains("Preferences is truncated"), "{why}");
        fs::write(template.join("Default/Preferences"), "{}").unwrap();
        ProfileSource::Custom(template).fill(&profile).unwrap();
    }

    #[test]
    fn caches_are_not_kept_and_the_first_of_two_templates_stays() {
        let base = tempfile::tempdir().unwrap();
        let profile = base.path().join("profile");
        fs::create_dir_all(profile.join("Default/Cache")).unwrap();
        fs::write(profile.join("Default/Preferences"), "first").unwrap();
        let template = WarmTemplate::new(base.path(), "chromium", "156.0.1.2");
        template.save(&profile, &base.path().join("a")).unwrap();
        let kept: Vec<_> =
            fs::read_dir(template.path().join("Default")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(kept, ["Preferences"]);
        fs::write(profile.join("Default/Preferences"), "second").unwrap();
        template.save(&profile, &base.path().join("b")).unwrap();
        assert_eq!(fs::read_to_string(template.path().join("Default/Preferences")).unwrap(), "first");
    }

    #[test]
    fn templates_of_other_versions_go_and_those_of_other_browsers_stay() {
        let base = tempfile::tempdir().unwrap();
        let own = WarmTemplate::new(base.path(), "chromium", "156");
        let (old, edge) = (base.path().join("template-chromium-155"), base.path().join("template-edge-155"));
        let profile = base.path().join("profile");
        for path in [&old, &edge, &profile] {
            fs::create_dir(path).unwrap();
        }
        own.save(&profile, &base.path().join("a")).unwrap();
        assert!(own.path().is_dir() && edge.is_dir() && !old.exists());
        assert_eq!(warm_templates(base.path()).len(), 2);
    }
}
