//! What a profile folder begins as: the user's template, one that was warmed up, or the built-in one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::browser::profile::manager::{Profile, ProfileManager};
use crate::browser::profile::owned_dir::TEMPLATE;
use crate::fs::tree;

/// Preferences of the built-in template.
pub(crate) const PREFERENCES: &str = include_str!("../../../profiles/template/Default/Preferences");

/// Files of a profile that a browser takes for empty when they are half-written, and with them the user's settings.
const MUST_BE_WHOLE: [&str; 2] = ["Local State", "Default/Preferences"];

/// Where a profile comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProfileSource {
    /// A folder that the user has named.
    Users(PathBuf),
    /// A folder that a browser of this version was started on once before.
    Warmed(PathBuf),
    /// A few preferences, of which the browser makes everything else anew.
    BuiltIn,
}

impl ProfileSource {
    /// Fills the empty folder `profile`.
    ///
    /// # Errors
    /// When the template cannot be read, or is half-written; names the file.
    pub(crate) fn fill(&self, profile: &Path) -> io::Result<()> {
        match self {
            Self::Users(template) => {
                let named = |why: io::Error| {
                    io::Error::new(why.kind(), format!("the template {} cannot be copied: {why}", template.display()))
                };
                check_whole(template).and_then(|()| tree::copy(template, profile)).map_err(named)?;
            }
            Self::Warmed(template) => tree::copy(template, profile)?,
            Self::BuiltIn => {
                tree::create_private(&profile.join("Default"))?;
                fs::write(profile.join("Default/Preferences"), PREFERENCES)?;
            }
        }
        fs::write(profile.join("First Run"), "") // its presence says that the first run is over
    }
}

impl ProfileManager {
    /// What the next profile begins as.
    pub(crate) fn origin(&self) -> ProfileSource {
        if let Some(template) = &self.template
            && !self.is_template_refused.load(Ordering::Acquire)
        {
            return ProfileSource::Users(template.clone());
        }
        match self.warmed_place() {
            Some(place) if place.is_dir() => ProfileSource::Warmed(place),
            _ => ProfileSource::BuiltIn,
        }
    }

    /// The same, with warmed templates for this kind and version of browser.
    pub(crate) fn with_warmed(mut self, kind: &'static str, version: String) -> Self {
        self.warmed_for = Some((kind, version));
        self
    }

    fn warmed_place(&self) -> Option<PathBuf> {
        self.warmed_for.as_ref().map(|(kind, version)| place(self.base(), kind, version))
    }

    /// Whether a warmed template would be used and is not there.
    pub(crate) fn lacks_warmed(&self) -> bool {
        self.template.is_none() && self.warmed_place().is_some_and(|place| !place.is_dir())
    }

    /// Makes the warmed template of a profile whose browser was closed, and removes those of other versions. Blocks.
    ///
    /// # Errors
    /// What could not be done, as a sentence.
    pub(crate) fn keep_warmed(&self, profile: &Profile) -> Result<(), String> {
        let Some(((kind, _), place)) = self.warmed_for.as_ref().zip(self.warmed_place()) else { return Ok(()) };
        keep(&profile.path(), &profile.plot().folder.join(TEMPLATE), &place)
            .map_err(|why| format!("the template {} could not be made: {why}", place.display()))?;
        let (_, left) = remove_others(self.base(), Some(kind), Some(&place));
        left.into_iter().next().map_or(Ok(()), Err)
    }

    /// Uses this origin no more: a browser did not start on it, and started without it. Blocks.
    pub(crate) fn give_up_on(&self, origin: &ProfileSource, why: &str) {
        match origin {
            ProfileSource::Users(template) => {
                if !self.is_template_refused.swap(true, Ordering::AcqRel) {
                    tracing::warn!(
                        "no browser starts on the profile template {} ({why}): the built-in one is used; mend the \
                         folder, or name another one as profile_template",
                        template.display()
                    );
                }
            }
            ProfileSource::Warmed(template) => {
                tracing::info!("the template {} is of no use ({why}) and is made anew", template.display());
                if let Err(why) = tree::remove(template) {
                    tracing::warn!("the template {} could not be removed: {why}", template.display());
                }
            }
            ProfileSource::BuiltIn => {}
        }
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
            let why = format!("{} is half-written or damaged ({why})", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
    }
    Ok(())
}

/// Makes a template at `place` of a profile whose browser was closed without ever having opened a page: it holds the
/// browser's own files and empty databases, and nothing of a person. To leave the databases out as well was tried: a
/// browser that finds the half of what it wrote is slower than one that finds nothing. `beside` is a private folder on the same disk that
/// is not yet there. Whoever was first stays.
///
/// # Errors
/// When the copy cannot be made. Nothing half is ever at `place`.
pub(crate) fn keep(profile: &Path, beside: &Path, place: &Path) -> io::Result<()> {
    tree::create_private(beside)?;
    tree::copy(profile, beside)?;
    match fs::rename(beside, place) {
        // another program has made the same one meanwhile
        Err(_) if place.is_dir() => Ok(()),
        other => other,
    }
}

/// Removes the warmed templates in `base` but `but`; with a `kind`, only those of this kind of browser. Gives what was
/// removed, and what could not be.
pub(crate) fn remove_others(base: &Path, kind: Option<&str>, but: Option<&Path>) -> (Vec<PathBuf>, Vec<String>) {
    let (mut removed, mut left) = (Vec::new(), Vec::new());
    for path in all(base, kind).into_iter().filter(|path| but != Some(path.as_path())) {
        match tree::remove(&path) {
            Ok(()) => removed.push(path),
            Err(why) => left.push(format!("the template {} could not be removed: {why}", path.display())),
        }
    }
    (removed, left)
}

/// The warmed templates in `base`; with a `kind`, only those of this kind of browser.
pub(crate) fn all(base: &Path, kind: Option<&str>) -> Vec<PathBuf> {
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
pub(crate) fn place(base: &Path, kind: &str, version: &str) -> PathBuf {
    base.join(format!("{PREFIX}{kind}-{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolConfig;
    use crate::model::WorkerId;

    fn manager(base: &Path) -> ProfileManager {
        ProfileManager::new(&PoolConfig::builder().base_profile_path(base).build().unwrap().profiles).unwrap()
    }

    #[test]
    fn the_built_in_template_is_valid_and_opens_no_pdf() {
        let preferences: serde_json::Value = serde_json::from_str(PREFERENCES).unwrap();
        assert_eq!(preferences["plugins"]["always_open_pdf_externally"], true);
        assert_eq!(preferences["download"]["prompt_for_download"], false);
    }

    #[test]
    fn a_template_that_was_warmed_up_is_used_unless_the_user_has_one() {
        let base = tempfile::tempdir().unwrap();
        let mut manager = manager(base.path()).with_warmed("chromium", "156.0.1.2".to_owned());
        let profile = manager.create(WorkerId(1)).unwrap();
        assert!(manager.lacks_warmed());
        fs::write(profile.path().join("Default/Warm"), "").unwrap();
        manager.keep_warmed(&profile).unwrap();
        assert!(!manager.lacks_warmed());
        let warm = manager.create(WorkerId(2)).unwrap();
        assert!(warm.path().join("Default/Warm").is_file() && warm.path().join("First Run").is_file());
        manager.give_up_on(&manager.origin(), "it is broken");
        assert_eq!(manager.origin(), ProfileSource::BuiltIn);
        manager.template = Some(base.path().join("mine"));
        assert_eq!(manager.origin(), ProfileSource::Users(base.path().join("mine")));
    }

    #[test]
    fn a_half_written_template_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let (template, profile) = (folder.path().join("mine"), folder.path().join("profile"));
        fs::create_dir_all(template.join("Default")).unwrap();
        fs::create_dir(&profile).unwrap();
        fs::write(template.join("Default/Preferences"), "{\"plugins\": {\"alw").unwrap();
        let why = ProfileSource::Users(template.clone()).fill(&profile).unwrap_err().to_string();
        assert!(why.contains("mine") && why.contains("Preferences is half-written"), "{why}");
        fs::write(template.join("Default/Preferences"), "{}").unwrap();
        ProfileSource::Users(template).fill(&profile).unwrap();
    }

    #[test]
    fn caches_are_not_kept_and_the_first_of_two_templates_stays() {
        let folder = tempfile::tempdir().unwrap();
        let profile = folder.path().join("profile");
        fs::create_dir_all(profile.join("Default/Cache")).unwrap();
        fs::write(profile.join("Default/Preferences"), "first").unwrap();
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
