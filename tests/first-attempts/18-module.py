# gives: true
import servers.demo as demo
"utc" in await demo.now()
