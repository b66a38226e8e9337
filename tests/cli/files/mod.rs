//! Files on the disk: their names and content, manifests, evidence, full disks.

mod clicks;
mod evidence;
mod file_names;
mod full_disks;
mod hostile;
mod manifests;
