//! A pool of something that is no browser: connections to a server that are dear to make. Each is lent to one holder at a
//! time, checked when it comes back, and replaced when it no longer answers.
//!
//! `cargo run --example resource_pool`

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use coupa_batch::executor::{Condition, GlobalPool};
use coupa_batch::{Manage, ResourcePool};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Makes, checks and ends connections to one server.
struct Connections {
    server: SocketAddr,
}

type Connection = BufReader<TcpStream>;

impl Manage for Connections {
    type Resource = Connection;
    type Error = io::Error;

    async fn create(&self) -> io::Result<Connection> {
        Ok(BufReader::new(TcpStream::connect(self.server).await?))
    }

    async fn recycle(&self, connection: &mut Connection) -> io::Result<Condition> {
        // what a holder has left unread would be the next one's answer
        if !connection.buffer().is_empty() {
            return Ok(Condition::Dirty);
        }
        Ok(if ask(connection, "ping").await? == "ping" { Condition::Clean } else { Condition::Dirty })
    }

    async fn destroy(&self, mut connection: Connection) -> io::Result<()> {
        connection.shutdown().await
    }
}

async fn ask(connection: &mut Connection, question: &str) -> io::Result<String> {
    connection.write_all(format!("{question}\n").as_bytes()).await?;
    let mut answer = String::new();
    connection.read_line(&mut answer).await?;
    Ok(answer.trim_end().to_owned())
}

/// The one pool of this program.
static POOL: GlobalPool<Connections> = GlobalPool::new();

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let server = start_echo_server().await?;
    POOL.init(ResourcePool::builder(Connections { server }).max_size(3).build()?)?;

    let mut callers = JoinSet::new();
    for number in 0..20 {
        callers.spawn(async move {
            let pool = POOL.get()?;
            let mut connection = pool.acquire().await?;
            let answer = ask(&mut connection, &format!("question {number}")).await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(answer)
        });
    }
    let mut answers = 0;
    while let Some(answer) = callers.join_next().await {
        println!("{}", answer?.map_err(|why| why.to_string())?);
        answers += 1;
    }

    let status = POOL.get()?.status();
    println!("{answers} answers by {} connections", status.created);
    let summary = POOL.close(Duration::from_secs(5)).await?;
    println!("closed: {} connections ended", summary.destroyed);
    if let Err(why) = POOL.get() {
        println!("afterwards: {why}");
    }
    if answers == 20 && status.created <= 3 && summary.is_clean() {
        Ok(())
    } else {
        Err("not what this example shows".into())
    }
}

async fn start_echo_server() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut questions, mut answers) = socket.split();
                tokio::io::copy(&mut questions, &mut answers).await
            });
        }
    });
    Ok(address)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_the_resource_pool_runs() {
        super::main().unwrap();
    }
}
