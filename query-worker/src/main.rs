use clap::Parser as _;
use platform::telemetry;
use query_worker::{app::App, config::Config};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let _telemetry = telemetry::init(&config.telemetry, "query-worker")?;
    let app = App::build(&config).await?;
    app.run(&config).await
}
