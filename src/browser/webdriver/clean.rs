//! Makes the page of a session as good as new for its next borrower.

use serde_json::json;

use crate::backend::{Page, SessionError};
use crate::browser::webdriver::client::WebDriverCommand;
use crate::browser::webdriver::page::WebDriverPage;

impl WebDriverPage {
    /// Leaves the page (any dialog of it is dismissed by that), closes windows that scripts have opened, forgets cookies and
    /// storage unless they are to be kept, and what was logged so far.
    pub(crate) async fn clean(&mut self, keeps_cookies: bool) -> Result<(), SessionError> {
        let limit = self.timeouts.command;
        // first: with a dialog open, the driver does not even say which windows there are
        self.goto("about:blank").await?;
        let own = self.client.send(WebDriverCommand::get("window", "window"), limit).await?;
        let windows = self.client.send(WebDriverCommand::get("windows", "window/handles"), limit).await?;
        for window in windows.as_array().into_iter().flatten().filter(|window| **window != own) {
            self.client
                .send(WebDriverCommand::post("to window", "window", &json!({ "handle": window })), limit)
                .await?;
            self.client.send(WebDriverCommand::delete("close window", "window"), limit).await?;
        }
        self.client.send(WebDriverCommand::post("to window", "window", &json!({ "handle": own })), limit).await?;
        if !keeps_cookies {
            self.devtools("forget cookies", "Network.clearBrowserCookies", json!({})).await?;
            let everything = json!({ "origin": "*", "storageTypes": "all" });
            self.devtools("forget storage", "Storage.clearDataForOrigin", everything).await?;
        }
        self.download_events().await?;
        self.responses().await.map(drop)
    }
}
